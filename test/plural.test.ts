import { expect, test } from 'vitest'
import { plural } from '../src/plural.ts'

test.each<[shown: string, expected: string]>([
  [plural(0, 'step'), '0 steps'],
  [plural(1, 'step'), '1 step'],
  [plural(1200, 'step'), '1,200 steps'],
  [plural(1, 'answer is', 'answers are'), '1 answer is'],
  [plural(2, 'answer is', 'answers are'), '2 answers are'],
])('%s', (shown, expected) => expect(shown).toBe(expected))
