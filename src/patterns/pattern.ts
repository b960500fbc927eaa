import { FettleError } from '../error.ts'
import { makeAutomaton, type Automaton } from './automaton.ts'
import { shortened } from './cursor.ts'
import { matchAt, PatternGaveUp, type StepBudget } from './machine.ts'
import { parsePattern } from './parse.ts'
import { compileProgram, type Program } from './program.ts'
import { bitsAt, unitsAt } from './set-tables.ts'
import type { Dialect } from './syntax.ts'

/** A regular expression of a file, which takes no more time than the length of a text allows. */
export interface Pattern {
  /**
   * Finds the matches of a text, or of a part of it that counts as a text of its own, and appends the start and the end of each.
   * As Oniguruma's callers do, no empty match is taken that begins where the match before ended.
   *
   * @throws FettleError where the budget is spent
   */
  findAll(text: string, start: number, end: number, budget: StepBudget, found: number[]): void
  /**
   * Whether all of a text matches.
   *
   * @throws FettleError where that, and what was matched before, takes a hundred million steps
   */
  matchesWhole(text: string): boolean
  /** Whether it can match no characters. */
  readonly matchesNothing: boolean
}

/** Steps that any text may take. */
const leastSteps = 20_000_000
/** Steps for each character of a longer text; published patterns take fewer than ten. */
const stepsPerCharacter = 64
/** Steps for all texts that are matched as a whole: names, which are short. */
const stepsForWholes = 100_000_000

/** The steps that the patterns of a file may take for a text. */
export function stepBudget(length: number): StepBudget {
  return { left: leastSteps + stepsPerCharacter * length }
}

/**
 * Compiles a regular expression of a file.
 *
 * @param place  where it stands, for error messages
 * @throws FettleError for a pattern that cannot be read
 */
export function compilePattern(source: string, dialect: Dialect, place: string): Pattern {
  const refuse = (found: string) =>
    new FettleError({
      place,
      found: `${found} in the pattern ${shortened(source)}`,
      expected: 'a pattern without it',
    })
  const syntax = parsePattern(source, dialect, place)
  const program = compileProgram(syntax, refuse)
  const automaton = makeAutomaton(syntax)
  const forWholes = { left: stepsForWholes }
  const withinBounds = <T>(text: string, work: () => T): T => {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof PatternGaveUp)) throw error
      throw new FettleError(
        {
          place,
          found: `the pattern ${shortened(source)} takes too ${error.reason === 'steps' ? 'long' : 'much memory'} for a text of ${text.length} characters, which begins ${JSON.stringify(text.slice(0, 40))}`,
          expected: 'a pattern that goes through a text without trying the same again and again',
        },
        { cause: error },
      )
    }
  }
  return {
    findAll: (text, start, end, budget, found) =>
      withinBounds(text, () => findAll(program, automaton, text, start, end, budget, found)),
    matchesWhole: (text) =>
      withinBounds(text, () => matchAt(program, text, 0, 0, text.length, forWholes, true) >= 0),
    matchesNothing: withinBounds('', () => matchAt(program, '', 0, 0, 0, forWholes, false) >= 0),
  }
}

function findAll(
  program: Program,
  automaton: Automaton | undefined,
  text: string,
  start: number,
  end: number,
  budget: StepBudget,
  found: number[],
): void {
  const { first, tables } = program
  const table = first === undefined ? undefined : tables[first.table]
  let from = start
  let lastEnd = -1
  for (let at = start; at <= end;) {
    if (table !== undefined && first !== undefined) {
      while (at < end && (bitsAt(table, text, at, end) & first.bit) === 0) at += unitsAt(text, at, end)
      budget.left -= at - from
      if (at >= end) return
    }
    const matchEnd =
      automaton?.endOf(text, at, end, budget) ?? matchAt(program, text, at, start, end, budget, false)
    if (matchEnd < 0 || (matchEnd === at && lastEnd === at)) {
      at += at < end ? unitsAt(text, at, end) : 1
      from = at
      continue
    }
    found.push(at, matchEnd)
    lastEnd = matchEnd
    at = matchEnd
    from = at
  }
}
