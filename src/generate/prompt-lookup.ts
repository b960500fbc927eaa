import type { Drafter } from './drafter.ts'

/**
 * How many of the latest tokens must have been there before. Single tokens are there too often to say much: asking for two
 * made free answers of SmolLM2-135M 3 % faster in bfloat16 and a fifth in 4 bits (7 or 10 guesses, passes of 2 to 11
 * tokens as long as measured); preferring places where a third and fourth agree made quotations 9 % faster.
 */
const fewestTokens = 2
const mostTokens = 4

/**
 * Prompt lookup: the tokens that followed when the latest ones were there before, in prompt or answer. Of several places
 * the one wins where most tokens agree, then the latest.
 * Source: Saxena 2023, https://github.com/apoorvumang/prompt-lookup-decoding
 *
 * @param count how many tokens are guessed at once
 */
export function createPromptLookup(count: number): Drafter {
  return {
    canDraft: (sequence) => followerOf(sequence) > 0,
    async draft(sequence, limit) {
      const from = followerOf(sequence)
      return from > 0 ? sequence.slice(from, from + Math.min(count, limit)) : []
    },
  }
}

/** Where what followed the latest tokens begins, or 0 where they were not there before. */
function followerOf(sequence: readonly number[]): number {
  const last = sequence.length - 1
  let follower = 0
  let longest = fewestTokens - 1
  for (let end = last - 1; end >= longest && longest < mostTokens; end -= 1) {
    let length = 0
    while (length < mostTokens && length <= end && sequence[end - length] === sequence[last - length])
      length += 1
    if (length <= longest) continue
    longest = length
    follower = end + 1
  }
  return follower
}
