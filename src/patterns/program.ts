import type { FettleError } from '../error.ts'
import { makeSetTable, makeSetTables, setsPerTable, type SetBit, type SetTable } from './set-tables.ts'
import { firstOf, lengthsOf, type CharacterSet, type Node, type RepeatMode, type Syntax } from './syntax.ts'

/** What the matcher does; each is followed by its operands in the program. */
export const op = {
  /** unit: the next UTF-16 unit is this. */
  unit: 0,
  /** table, bit: the next character is in a set. */
  set: 1,
  /** table, bit, min, max, next table, next bit (0 for any): as many characters of a set as can be, then fewer. */
  runGreedy: 2,
  /** table, bit, min, max */
  runLazy: 3,
  /** table, bit, min, max */
  runPossessive: 4,
  /** address */
  jump: 5,
  /** address: goes on, and later there. */
  split: 6,
  /** table, bits of alternatives that any character may begin, then the address of each: bit i of the table is alternative i. */
  choice: 7,
  /** register: remembers the place. */
  save: 8,
  /** group */
  reference: 9,
  /** register, address: goes there if nothing was matched since `save`. */
  unlessEmpty: 10,
  barrier: 11,
  /** Forgets what was to be tried since the barrier. */
  commit: 12,
  /** The same, and goes back to the place of the barrier. */
  commitBack: 13,
  /** address: a barrier; goes there if nothing behind it matches. */
  negative: 14,
  /** What must not match did. */
  fail: 15,
  /** count: so many characters back. */
  back: 16,
  /** At the place of the barrier. */
  atBarrier: 17,
  textStart: 18,
  textEnd: 19,
  lastNewline: 20,
  lineStart: 21,
  lineEnd: 22,
  /** table, bit */
  wordBorder: 23,
  /** table, bit */
  noWordBorder: 24,
  match: 25,
  /** Nothing that was tried matches. */
  fallBack: 26,
} as const

/** A pattern as the matcher runs it. */
export interface Program {
  readonly code: Int32Array
  readonly tables: readonly SetTable[]
  /** What a match begins with; undefined for any character or none. */
  readonly first: SetBit | undefined
  readonly registers: number
}

/** Beyond this a repetition of repetitions was written out so often that it is an attack. */
const maxLength = 1 << 18
/** Characters that looking back may reach. */
const maxLookBehind = 255

const runs: Readonly<Record<RepeatMode, number>> = {
  greedy: op.runGreedy,
  lazy: op.runLazy,
  possessive: op.runPossessive,
}

/**
 * Compiles a pattern.
 *
 * @param refuse  makes the error for a pattern that is too large, or looks back over any distance
 */
export function compileProgram(
  { root, referenced }: Syntax,
  refuse: (found: string) => FettleError,
): Program {
  const code: number[] = []
  const sets = makeSetTables()
  /** Two for each group, then those of loops. */
  let registers = referenced.size === 0 ? 0 : 2 * (Math.max(...referenced) + 1)

  const emit = (...values: number[]): number => {
    if (code.length > maxLength) throw refuse('a size that is too large')
    return code.push(...values)
  }
  /** Leaves room for an address; gives the function that fills it in with the end of the program so far. */
  const later = (): (() => void) => {
    const at = emit(0) - 1
    return () => {
      code[at] = code.length
    }
  }
  const setOf = (set: CharacterSet): [table: number, bit: number] => {
    const { table, bit } = sets.add(set)
    return [table, bit]
  }
  const unionOf = (found: readonly CharacterSet[] | undefined): SetBit | undefined => {
    if (found === undefined || found.length === 0) return undefined
    if (found.every((set) => set.source === found[0].source && set.ignoreCase === found[0].ignoreCase))
      return sets.add(found[0])
    if (found.some(({ ignoreCase }) => ignoreCase)) return undefined
    return sets.add({ source: `[${found.map(({ source }) => source).join('')}]`, ignoreCase: false })
  }

  /** @param rest  what stands behind the node in its sequence */
  function add(node: Node, rest: readonly Node[] = []): void {
    switch (node.type) {
      case 'character':
        if (node.literal === undefined || node.set.ignoreCase) emit(op.set, ...setOf(node.set))
        else for (let i = 0; i < node.literal.length; i++) emit(op.unit, node.literal.charCodeAt(i))
        return
      case 'sequence':
        node.nodes.forEach((part, i) => add(part, [...node.nodes.slice(i + 1), ...rest]))
        return
      case 'choice':
        return addChoice(node.nodes, node === root)
      case 'repeat':
        return node.node.type === 'character' ? addRun(node.node.set, node, rest) : addRepeat(node)
      case 'group':
        if (!referenced.has(node.index)) return add(node.node, rest)
        emit(op.save, 2 * node.index)
        add(node.node, rest)
        emit(op.save, 2 * node.index + 1)
        return
      case 'atomic':
        emit(op.barrier)
        add(node.node)
        emit(op.commit)
        return
      case 'look':
        return addLook(node)
      case 'assertion':
        return addAssertion(node)
      case 'reference':
        emit(op.reference, node.index)
    }
  }

  function addChoice(nodes: readonly Node[], isLast: boolean): void {
    if (nodes.length > setsPerTable)
      return addChoice(
        [...nodes.slice(0, setsPerTable - 1), { type: 'choice', nodes: nodes.slice(setsPerTable - 1) }],
        isLast,
      )
    const firsts = nodes.map(firstOf)
    const table = sets.tables.push(makeSetTable(firsts.map((first) => first ?? []))) - 1
    emit(
      op.choice,
      table,
      firsts.reduce((bits, first, i) => (first === undefined ? bits | (1 << i) : bits), 0),
    )
    const addresses = nodes.map(later)
    const ends = nodes.flatMap((node, i) => {
      addresses[i]()
      add(node)
      if (isLast) {
        emit(op.match)
        return []
      }
      emit(op.jump)
      return [later()]
    })
    for (const end of ends) end()
  }

  function addRun(
    set: CharacterSet,
    { min, max, mode }: Node & { type: 'repeat' },
    rest: readonly Node[],
  ): void {
    emit(runs[mode], ...setOf(set), min, Math.min(max, 0x7fffffff))
    if (mode !== 'greedy') return
    const next = unionOf(firstOf({ type: 'sequence', nodes: rest }))
    emit(next?.table ?? 0, next?.bit ?? 0)
  }

  function addRepeat({ node, min, max, mode }: Node & { type: 'repeat' }): void {
    if (mode === 'possessive') emit(op.barrier)
    for (let i = 0; i < min; i++) add(node)
    if (max === Infinity) addLoop(node, mode === 'lazy')
    else {
      const ends: (() => void)[] = []
      for (let i = min; i < max; i++) {
        if (mode === 'lazy') {
          // Goes to the end, and later to the next.
          emit(op.split)
          const next = later()
          emit(op.jump)
          ends.push(later())
          next()
        } else {
          emit(op.split)
          ends.push(later())
        }
        add(node)
      }
      for (const end of ends) end()
    }
    if (mode === 'possessive') emit(op.commit)
  }

  function addLoop(node: Node, isLazy: boolean): void {
    const mayBeEmpty = lengthsOf(node).min === 0
    const start = code.length
    emit(op.split)
    const split = later()
    let leave: (() => void) | undefined
    if (isLazy) {
      emit(op.jump)
      leave = later()
      split()
    }
    const register = mayBeEmpty ? registers++ : 0
    if (mayBeEmpty) emit(op.save, register)
    add(node)
    let whenEmpty: (() => void) | undefined
    if (mayBeEmpty) {
      emit(op.unlessEmpty, register)
      whenEmpty = later()
    }
    emit(op.jump, start)
    if (!isLazy) split()
    leave?.()
    whenEmpty?.()
  }

  function addLook({ node, isBehind, isNegative }: Node & { type: 'look' }): void {
    emit(isNegative ? op.negative : op.barrier)
    const whenNot = isNegative ? later() : undefined
    if (isBehind) addBehind(node)
    else add(node)
    emit(isNegative ? op.fail : op.commitBack)
    whenNot?.()
  }

  /** Tries each length that what stands before may have. */
  function addBehind(node: Node): void {
    const { min, max } = lengthsOf(node)
    if (max > maxLookBehind) throw refuse('looking back over any distance')
    const ends: (() => void)[] = []
    for (let length = min; length <= max; length++) {
      emit(op.split)
      const next = later()
      emit(op.back, length)
      add(node)
      emit(op.atBarrier, op.jump)
      ends.push(later())
      next()
    }
    emit(op.fallBack)
    for (const end of ends) end()
  }

  function addAssertion({ assertion, word }: Node & { type: 'assertion' }): void {
    switch (assertion) {
      case 'text start':
        return void emit(op.textStart)
      case 'text end':
        return void emit(op.textEnd)
      case 'text end or last newline':
        return void emit(op.lastNewline)
      case 'line start':
        return void emit(op.lineStart)
      case 'line end':
        return void emit(op.lineEnd)
      case 'word border':
        return void emit(op.wordBorder, ...setOf(word))
      case 'no word border':
        return void emit(op.noWordBorder, ...setOf(word))
    }
  }

  add(root)
  emit(op.match)
  const first = unionOf(firstOf(root))
  return { code: Int32Array.from(code), tables: sets.tables, first, registers }
}
