import { expect, test } from 'vitest'
import { describeProblem } from '../src/error.ts'

test('an error says place, found, expected and cure', () => {
  expect(
    describeProblem({
      place: 'train.jsonl:41',
      found: "role 'bot'",
      expected: 'system, user, assistant or tool',
      cure: 'Map it with roles: { bot: assistant }.',
    }),
  ).toBe(
    "train.jsonl:41: role 'bot'; expected system, user, assistant or tool. Map it with roles: { bot: assistant }.",
  )
})
