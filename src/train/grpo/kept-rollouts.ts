import type { Engine, Tensor } from '../../engine/index.ts'
import type { SampledAnswer } from '../objectives/grpo.ts'
import type { EncodedPrompt } from './prompt-set.ts'
import { answerOf } from './rollouts.ts'

/** What was sampled, where several steps learn from it: checkpoints hold it, since the weights that sampled it are gone then. */
export interface KeptRollouts {
  /** [2 + completions · (5 + 2 · longest)] float32 */
  readonly tensor: Tensor
  keep(generation: number, answers: readonly KeptAnswer[]): void
  /** What was kept last, if it is of this generation. */
  read(generation: number, prompts: readonly EncodedPrompt[]): Promise<SampledAnswer[] | undefined>
}

/** A completion, and how many tokens its prompt has. */
export interface KeptAnswer {
  answer: SampledAnswer
  promptLength: number
}

/** Numbers of a completion beside its tokens and their log-probabilities. */
const numbersEach = 5

/**
 * @param completions  of a generation, at most
 * @param longest      tokens of one, at most
 * @param groupSize    completions of each prompt, which stand next to each other
 */
export function keptRollouts(
  engine: Engine,
  { completions, longest, groupSize }: { completions: number; longest: number; groupSize: number },
): KeptRollouts {
  const each = numbersEach + 2 * longest
  const tensor = engine.tensor('float32', [2 + completions * each])
  return {
    tensor,
    keep(generation, answers) {
      const values = new Float32Array(2 + completions * each)
      // No generation is told from the first by one more.
      values.set([generation + 1, answers.length])
      for (const [i, { answer, promptLength }] of answers.entries()) {
        const { inputIds, mask, advantage, old, usualTokens } = answer
        const ids = inputIds.subarray(promptLength)
        const at = 2 + i * each
        values.set([ids.length, mask[promptLength], advantage, usualTokens, old ? 1 : 0], at)
        values.set(ids, at + numbersEach)
        if (old) values.set(old, at + numbersEach + longest)
      }
      engine.write(tensor, values)
    },
    async read(generation, prompts) {
      const values = (await engine.read(tensor)) as Float32Array
      if (values[0] !== generation + 1) return undefined
      return Array.from({ length: values[1] }, (_, i) => {
        const at = 2 + i * each
        const [length, isLearned, advantage, usualTokens, hasOld] = values.subarray(at, at + numbersEach)
        const ids = [...values.subarray(at + numbersEach, at + numbersEach + length)]
        const start = at + numbersEach + longest
        const prompt = prompts[Math.floor(i / groupSize)]
        return {
          ...answerOf(prompt, { ids, isWhole: isLearned === 1 }, advantage, true),
          usualTokens,
          ...(hasOld === 1 && { old: values.slice(start, start + (isLearned === 1 ? length : 0)) }),
        }
      })
    },
  }
}
