import { describe, expect, test } from 'vitest'
import { makeAutomaton } from '../../src/patterns/automaton.ts'
import { matchAt } from '../../src/patterns/machine.ts'
import { parsePattern } from '../../src/patterns/parse.ts'
import { compileProgram } from '../../src/patterns/program.ts'
import { FettleError } from '../../src/error.ts'
import { random as makeRandom, type Random } from '../engine/random.ts'

/*
 * Both matchers on random patterns: the machine that tries and goes back is held against Oniguruma and Python's re by recorded
 * values, the automaton that goes all ways at once against the machine.
 */

const characters = ['a', 'b', 'B', ' ', '\n', '1', 'é', '😀', '漢']
const sets = [
  'a',
  'b',
  '[ab]',
  '[^a]',
  '.',
  String.raw`\s`,
  String.raw`\p{L}`,
  String.raw`\d`,
  '(?i:b)',
  '😀',
]

/** A whole number in [0, end). */
const below = (random: Random, end: number): number => Math.floor(random.uniform() * end)

function randomPattern(random: Random, depth: number): string {
  const pick = <T>(list: readonly T[]): T => list[below(random, list.length)]
  if (depth === 0) return pick(sets)
  const inner = () => randomPattern(random, depth - 1)
  switch (below(random, 7)) {
    case 0:
      return `${inner()}|${inner()}`
    case 1:
      return `(?:${inner()})${pick(['?', '*', '+', '{2}', '{1,3}', '??', '*?', '+?', '{0,2}?'])}`
    case 2:
      return `(${inner()})${inner()}`
    case 3:
      return `(?:${inner()})${pick(['(?!a)', String.raw`(?!\S)`, '(?= )', String.raw`\z`, '(?=😀)'])}`
    default:
      return inner() + inner()
  }
}

describe('the automaton finds what the machine finds', () => {
  const seeds = Array.from({ length: 40 }, (_, seed) => seed)
  test.each(seeds)('random patterns %i', (seed) => {
    const random = makeRandom(seed)
    let compared = 0
    const different: object[] = []
    for (let i = 0; i < 100; i++) {
      const source = randomPattern(random, 1 + below(random, 3))
      const syntax = parsePattern(source, 'oniguruma', 'here')
      const automaton = makeAutomaton(syntax)
      if (automaton === undefined) continue
      const program = compileProgram(
        syntax,
        (found) => new FettleError({ place: 'here', found, expected: 'a pattern' }),
      )
      for (let j = 0; j < 10; j++) {
        const text = Array.from(
          { length: below(random, 12) },
          () => characters[below(random, characters.length)],
        ).join('')
        for (let from = 0; from <= text.length; from++) {
          const end = below(random, 2) === 0 ? text.length : from + below(random, text.length - from + 1)
          const budget = { left: 1e9 }
          const expected = matchAt(program, text, from, from, end, budget, false)
          const found = automaton.endOf(text, from, end, budget)
          if (found !== expected) different.push({ source, text, from, end, found, expected })
          compared++
        }
      }
    }
    expect(different).toEqual([])
    expect(compared).toBeGreaterThan(1000)
  })
})
