import { op, type Program } from './program.ts'
import { bitsAt, characterBefore, pageOf, unitsAt, type SetTable } from './set-tables.ts'

/*
 * Runs a program over a text: on what a pattern matches it goes on, otherwise back to the last place where something else can be
 * tried. These places lie on a stack of our own, four numbers each, so that neither a long text nor a deep pattern ends the
 * process; and each step is counted, so that none takes for ever.
 */

/** How many steps may still be made. */
export interface StepBudget {
  left: number
}

/** What waits on the stack: for each, what its numbers mean. */
const frame = {
  /** address, place */
  other: 0,
  /** address of the choice, place, bits of the alternatives that are left */
  choice: 1,
  /** address of the run, place, place of its fewest */
  greedy: 2,
  /** address of the run, place, how many characters more */
  lazy: 3,
  /** register, former value */
  register: 4,
  /** former barrier, place */
  barrier: 5,
  /** former barrier, place, address */
  negative: 6,
} as const

/** Numbers of the stack: 128 MiB. */
const maxStack = 1 << 25
/** A longer one is not kept from text to text. */
const maxKeptStack = 1 << 20

let stack = new Int32Array(1 << 12)

/** Thrown where a pattern takes too much; the caller knows which pattern it was. */
export class PatternGaveUp extends Error {
  override readonly name = 'PatternGaveUp'
  readonly reason: 'steps' | 'memory'
  constructor(reason: 'steps' | 'memory') {
    super(`a pattern takes too much: ${reason}`)
    this.reason = reason
  }
}

/**
 * The end of the match that begins at a place, or -1.
 *
 * @param start         where the text begins, for what looks back
 * @param end           where it ends
 * @param mustReachEnd  whether only a match up to there counts
 * @throws PatternGaveUp
 */
export function matchAt(
  program: Program,
  text: string,
  from: number,
  start: number,
  end: number,
  budget: StepBudget,
  mustReachEnd: boolean,
): number {
  const { code, tables } = program
  const registers = program.registers === 0 ? noRegisters : new Int32Array(program.registers).fill(-1)
  let memory = stack
  let top = 0
  let barrier = -1
  let pc = 0
  let at = from
  let steps = budget.left
  /** Of a choice that is taken up again, the alternatives that are left. */
  let alternatives = 0

  for (;;) {
    if (--steps < 0) throw new PatternGaveUp('steps')
    if (top + 8 > memory.length) memory = larger(memory)
    let goesOn = false
    switch (code[pc]) {
      case 0: // unit
        if (at >= end || text.charCodeAt(at) !== code[pc + 1]) break
        at++
        pc += 2
        goesOn = true
        break
      case 1: // set
        if (at >= end || (bitsAt(tables[code[pc + 1]], text, at, end) & code[pc + 2]) === 0) break
        at += unitsAt(text, at, end)
        pc += 3
        goesOn = true
        break
      case 2: {
        // runGreedy
        const last = runFrom(tables[code[pc + 1]], code[pc + 2], text, at, end, code[pc + 4])
        const least = skip(text, at, last, code[pc + 3])
        steps -= last - at
        if (least < 0) break
        let place = last
        if (code[pc + 6] !== 0) {
          place = backTo(tables[code[pc + 5]], code[pc + 6], text, last, least, end)
          steps -= last - (place < 0 ? least : place)
          if (place < 0) break
        }
        if (place > least) {
          memory[top] = frame.greedy
          memory[top + 1] = pc
          memory[top + 2] = place
          memory[top + 3] = least
          top += 4
        }
        at = place
        pc += 7
        goesOn = true
        break
      }
      case 3: {
        // runLazy
        const min = code[pc + 3]
        const last = runFrom(tables[code[pc + 1]], code[pc + 2], text, at, end, min)
        steps -= last - at
        if (skip(text, at, last, min) < 0) break
        at = last
        if (code[pc + 4] > min) {
          memory[top] = frame.lazy
          memory[top + 1] = pc
          memory[top + 2] = at
          memory[top + 3] = code[pc + 4] - min
          top += 4
        }
        pc += 5
        goesOn = true
        break
      }
      case 4: {
        // runPossessive
        const last = runFrom(tables[code[pc + 1]], code[pc + 2], text, at, end, code[pc + 4])
        steps -= last - at
        if (skip(text, at, last, code[pc + 3]) < 0) break
        at = last
        pc += 5
        goesOn = true
        break
      }
      case 5: // jump
        pc = code[pc + 1]
        goesOn = true
        break
      case 6: // split
        memory[top] = frame.other
        memory[top + 1] = code[pc + 1]
        memory[top + 2] = at
        top += 4
        pc += 2
        goesOn = true
        break
      case 7: {
        // choice
        let left = alternatives
        alternatives = 0
        if (left === 0) left = code[pc + 2] | (at < end ? bitsAt(tables[code[pc + 1]], text, at, end) : 0)
        if (left === 0) break
        const one = left & -left
        if (left !== one) {
          memory[top] = frame.choice
          memory[top + 1] = pc
          memory[top + 2] = at
          memory[top + 3] = left ^ one
          top += 4
        }
        pc = code[pc + 34 - Math.clz32(one)]
        goesOn = true
        break
      }
      case 8: // save
        memory[top] = frame.register
        memory[top + 1] = code[pc + 1]
        memory[top + 2] = registers[code[pc + 1]]
        top += 4
        registers[code[pc + 1]] = at
        pc += 2
        goesOn = true
        break
      case 10: // unlessEmpty
        pc = registers[code[pc + 1]] === at ? code[pc + 2] : pc + 3
        goesOn = true
        break
      case 9: {
        // reference
        const first = registers[2 * code[pc + 1]]
        const last = registers[2 * code[pc + 1] + 1]
        if (first < 0 || last < first || at + last - first > end) break
        steps -= last - first
        if (!text.startsWith(text.slice(first, last), at)) break
        at += last - first
        pc += 2
        goesOn = true
        break
      }
      case 11: // barrier
      case 14: // negative
        memory[top] = code[pc] === op.barrier ? frame.barrier : frame.negative
        memory[top + 1] = barrier
        memory[top + 2] = at
        memory[top + 3] = code[pc + 1]
        barrier = top
        top += 4
        pc += code[pc] === op.barrier ? 1 : 2
        goesOn = true
        break
      case 12: // commit
      case 13: // commitBack
      case 15: {
        // fail
        if (code[pc] === op.commitBack) at = memory[barrier + 2]
        const outer = memory[barrier + 1]
        top = dropSince(memory, barrier, top)
        barrier = outer
        goesOn = code[pc] !== op.fail
        pc++
        break
      }
      case 16: {
        // back
        let place = at
        let count = code[pc + 1]
        for (; count > 0 && place > start; count--) place = characterBefore(text, place, start)
        if (count > 0) break
        at = place
        pc += 2
        goesOn = true
        break
      }
      case 17: // atBarrier
        goesOn = at === memory[barrier + 2]
        pc++
        break
      case 18: // textStart
        goesOn = at === start
        pc++
        break
      case 19: // textEnd
        goesOn = at === end
        pc++
        break
      case 20: // lastNewline
        goesOn = at === end || (at === end - 1 && text[at] === '\n')
        pc++
        break
      case 21: // lineStart
        // Oniguruma sees no line behind the last newline.
        goesOn = at === start || (text[at - 1] === '\n' && at < end)
        pc++
        break
      case 22: // lineEnd
        goesOn = at === end || text[at] === '\n'
        pc++
        break
      case 23: // wordBorder
      case 24: {
        // noWordBorder
        const table = tables[code[pc + 1]]
        const bit = code[pc + 2]
        const isBehind =
          at > start && (bitsAt(table, text, characterBefore(text, at, start), end) & bit) !== 0
        const isAhead = at < end && (bitsAt(table, text, at, end) & bit) !== 0
        goesOn = (isBehind !== isAhead) === (code[pc] === op.wordBorder)
        pc += 3
        break
      }
      case 25: // match
        if (mustReachEnd && at !== end) break
        budget.left = steps
        return at
    }
    while (!goesOn) {
      if (top === 0) {
        budget.left = steps
        return -1
      }
      if (--steps < 0) throw new PatternGaveUp('steps')
      top -= 4
      const a = memory[top + 1]
      const b = memory[top + 2]
      const c = memory[top + 3]
      switch (memory[top]) {
        case 0: // other
          pc = a
          at = b
          goesOn = true
          break
        case 1: // choice
          pc = a
          at = b
          alternatives = c
          goesOn = true
          break
        case 2: {
          // greedy
          const last = characterBefore(text, b, start)
          const place =
            code[a + 6] === 0 ? last : backTo(tables[code[a + 5]], code[a + 6], text, last, c, end)
          steps -= last - (place < 0 ? c : place)
          if (place < 0) break
          if (place > c) {
            memory[top + 2] = place
            top += 4
          }
          at = place
          pc = a + 7
          goesOn = true
          break
        }
        case 3: // lazy
          if (b >= end || (bitsAt(tables[code[a + 1]], text, b, end) & code[a + 2]) === 0) break
          at = b + unitsAt(text, b, end)
          if (c > 1) {
            memory[top + 2] = at
            memory[top + 3] = c - 1
            top += 4
          }
          pc = a + 5
          goesOn = true
          break
        case 4: // register
          registers[a] = b
          break
        case 5: // barrier
          barrier = a
          break
        case 6: // negative
          barrier = a
          at = b
          pc = c
          goesOn = true
          break
      }
    }
  }
}

const noRegisters = new Int32Array(0)

function larger(memory: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  if (memory.length >= maxStack) throw new PatternGaveUp('memory')
  const result = new Int32Array(memory.length * 4)
  result.set(memory)
  if (result.length <= maxKeptStack) stack = result
  return result
}

/** Takes what waits since a barrier off the stack, but for what restores registers; gives its new top. */
function dropSince(memory: Int32Array, barrier: number, top: number): number {
  let kept = barrier
  for (let i = barrier + 4; i < top; i += 4)
    if (memory[i] === frame.register) {
      memory.copyWithin(kept, i, i + 4)
      kept += 4
    }
  return kept
}

/** Where a run of characters of a set ends. */
function runFrom(table: SetTable, bit: number, text: string, from: number, end: number, max: number): number {
  const { pages } = table
  let at = from
  for (let count = 0; count < max && at < end; count++) {
    const unit = text.charCodeAt(at)
    if (unit >= 0xd800 && unit <= 0xdbff) {
      if ((bitsAt(table, text, at, end) & bit) === 0) break
      at += unitsAt(text, at, end)
    } else {
      const page = pages[unit >> 8] ?? pageOf(table, unit >> 8)
      if ((page[unit & 255] & bit) === 0) break
      at++
    }
  }
  return at
}

/** The place so many characters behind another; -1 where the last is nearer. */
function skip(text: string, from: number, last: number, count: number): number {
  let at = from
  for (let i = 0; i < count; i++) {
    if (at >= last) return -1
    at += unitsAt(text, at, last)
  }
  return at
}

/** The last place, but for the fewest, behind which a character of a set stands; -1 for none. */
function backTo(
  table: SetTable,
  bit: number,
  text: string,
  last: number,
  least: number,
  end: number,
): number {
  for (let at = last; at >= least; at = characterBefore(text, at, least))
    if (at < end && (bitsAt(table, text, at, end) & bit) !== 0) return at
  return -1
}
