import { makeSetTable, bitsAt, setsPerTable, unitsAt, type SetTable } from './set-tables.ts'
import { lengthsOf, type CharacterSet, type Node, type Syntax } from './syntax.ts'
import { PatternGaveUp, type StepBudget } from './machine.ts'

/*
 * Most patterns of tokenizers need no trying and going back: all ways through the pattern are followed at once, and each set of
 * ways that occurs becomes a state, whose next state for a kind of character is found once. A text then costs one look-up for each
 * character. Ways are kept in the order in which going back would try them, so that the match is the same.
 * Source: Russ Cox, https://swtch.com/~rsc/regexp/regexp3.html; a look at the next character is decided when it is read.
 */

/** A step of a pattern: reads a character of a set, takes either of two ways, looks at the next character, or ends. */
type Step =
  | { type: 'read'; bit: number; next: number }
  | { type: 'either'; next: number; other: number }
  | { type: 'ahead'; bit: number; isNegative: boolean; orEnd: boolean; next: number }
  | { type: 'match' }

/** A larger pattern, or one with more states, is left to the machine that goes back. */
const maxSteps = 1 << 11
const maxStates = 1 << 11
/** Kinds of characters: those that are in the same sets. The first is the end of the text. */
const maxKinds = 64

/** Finds where matches end. */
export interface Automaton {
  /**
   * The end of the match that begins at a place, -1 for none, or undefined where there are more states than are kept.
   *
   * @throws PatternGaveUp where the budget is spent
   */
  endOf(text: string, from: number, end: number, budget: StepBudget): number | undefined
}

/** The automaton of a pattern; undefined for one that refers back, looks behind or at more than a character, or never goes back. */
export function makeAutomaton({ root, referenced }: Syntax): Automaton | undefined {
  if (referenced.size > 0) return undefined
  const found = stepsOf(root)
  return found === undefined ? undefined : run(found.steps, found.first, makeSetTable(found.sets))
}

interface Steps {
  steps: Step[]
  first: number
  /** Their sets, each by its bit. */
  sets: CharacterSet[][]
}

function stepsOf(root: Node): Steps | undefined {
  const steps: Step[] = []
  const sets: CharacterSet[][] = []
  const keyOf = (set: CharacterSet): string => `${set.ignoreCase}${set.source}`
  let isPossible = true
  const impossible = (): number => {
    isPossible = false
    return 0
  }
  const make = (step: Step): number => (steps.length < maxSteps ? steps.push(step) - 1 : impossible())
  const bitOf = (set: CharacterSet): number => {
    const known = sets.findIndex(([other]) => keyOf(other) === keyOf(set))
    if (known >= 0) return 1 << known
    if (sets.length === setsPerTable) return impossible()
    return 1 << (sets.push([set]) - 1)
  }

  /** @returns the first step of a node that goes on at a step */
  function add(node: Node, next: number): number {
    if (!isPossible) return next
    switch (node.type) {
      case 'character':
        return make({ type: 'read', bit: bitOf(node.set), next })
      case 'sequence':
        return node.nodes.reduceRight((after, part) => add(part, after), next)
      case 'choice':
        return node.nodes
          .map((part) => add(part, next))
          .reduceRight((other, first) => make({ type: 'either', next: first, other }))
      case 'group':
        return add(node.node, next)
      case 'repeat':
        return addRepeat(node, next)
      case 'look':
        if (node.isBehind || node.node.type !== 'character') return impossible()
        return make({
          type: 'ahead',
          bit: bitOf(node.node.set),
          isNegative: node.isNegative,
          orEnd: node.isNegative,
          next,
        })
      case 'assertion':
        if (node.assertion !== 'text end') return impossible()
        return make({ type: 'ahead', bit: 0, isNegative: false, orEnd: true, next })
      case 'atomic':
      case 'reference':
        return impossible()
    }
  }

  function addRepeat({ node, min, max, mode }: Node & { type: 'repeat' }, next: number): number {
    // A loop that reads nothing is left by rules of its own.
    if (mode === 'possessive' || (max === Infinity && lengthsOf(node).min === 0)) return impossible()
    const either = (once: number, on: number): number =>
      make(
        mode === 'lazy'
          ? { type: 'either', next: on, other: once }
          : { type: 'either', next: once, other: on },
      )
    let first = next
    if (max === Infinity) {
      const loop = either(0, next)
      const step = steps[loop]
      const body = add(node, loop)
      if (step?.type === 'either') steps[loop] = { ...step, [mode === 'lazy' ? 'other' : 'next']: body }
      first = loop
    } else for (let i = min; i < max && isPossible; i++) first = either(add(node, first), next)
    for (let i = 0; i < min && isPossible; i++) first = add(node, first)
    return first
  }

  const first = add(root, make({ type: 'match' }))
  return isPossible ? { steps, first, sets } : undefined
}

/** What a state is made of: the steps that go on, the one that would be tried first at the front. */
type Ways = readonly number[]

function run(steps: readonly Step[], first: number, table: SetTable): Automaton {
  const states: Ways[] = [[], [first]]
  const numberOf = new Map([
    ['', 0],
    [String(first), 1],
  ])
  /** For each state and kind of character: twice the next state, and 1 where what was read before is a match; -1 is not known yet. */
  let next = new Int32Array(64 * maxKinds).fill(-1)
  /** The sets that characters of a kind are in. */
  const setsOf: number[] = [0]
  const kindOf = new Map<number, number>()
  /** By UTF-16 unit; 0 where the sets of the character were not asked for yet, or where it is half of one. */
  const kinds = new Uint8Array(0x10000)
  let isFull = false

  function findKind(text: string, at: number, end: number): number {
    const sets = bitsAt(table, text, at, end)
    let kind = kindOf.get(sets)
    if (kind === undefined) {
      if (setsOf.length === maxKinds) return maxKinds
      kind = setsOf.push(sets) - 1
      kindOf.set(sets, kind)
    }
    const unit = text.charCodeAt(at)
    if (unit < 0xd800 || unit > 0xdbff) kinds[unit] = kind
    return kind
  }

  /** Goes every way that a character allows. */
  function advance(state: number, kind: number): number {
    const sets = setsOf[kind]
    const ways: number[] = []
    const seen = new Set<number>()
    let isMatch = false
    const waiting = states[state].toReversed()
    for (let at = waiting.pop(); at !== undefined && !isMatch; at = waiting.pop()) {
      if (seen.has(at)) continue
      seen.add(at)
      const step = steps[at]
      switch (step.type) {
        case 'read':
          if ((sets & step.bit) !== 0 && !ways.includes(step.next)) ways.push(step.next)
          break
        case 'either':
          waiting.push(step.other, step.next)
          break
        case 'ahead':
          if (kind === 0 ? step.orEnd : ((sets & step.bit) !== 0) !== step.isNegative) waiting.push(step.next)
          break
        case 'match':
          // Whatever would be tried later is not.
          isMatch = true
      }
    }
    const key = ways.join()
    let to = numberOf.get(key)
    if (to === undefined) {
      to = states.push(ways) - 1
      numberOf.set(key, to)
      if (to >= maxStates) isFull = true
      if (next.length < states.length * maxKinds) {
        const longer = new Int32Array(2 * next.length).fill(-1)
        longer.set(next)
        next = longer
      }
    }
    const result = 2 * to + (isMatch ? 1 : 0)
    next[state * maxKinds + kind] = result
    return result
  }

  return {
    endOf(text, from, end, budget) {
      let state = 1
      let matchEnd = -1
      let at = from
      for (;;) {
        let kind = 0
        let units = 1
        if (at < end) {
          kind = kinds[text.charCodeAt(at)]
          if (kind === 0) {
            kind = findKind(text, at, end)
            units = unitsAt(text, at, end)
            if (kind === maxKinds) return undefined
          }
        }
        let to = next[state * maxKinds + kind]
        if (to < 0) {
          if (isFull) return undefined
          to = advance(state, kind)
          budget.left -= steps.length
        }
        if ((to & 1) !== 0) matchEnd = at
        state = to >> 1
        if (state === 0) break
        at += units
      }
      budget.left -= at - from + 1
      if (budget.left < 0) throw new PatternGaveUp('steps')
      return matchEnd
    },
  }
}
