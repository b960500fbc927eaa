import { lastTokens, scoredBatch, splitBatch } from '../batch/index.ts'
import { checkArgument, checkObject } from '../check-argument.ts'
import { FettleError } from '../error.ts'
import { vocabularyOf } from './blocks/architecture.ts'
import { promptsOf, type GenerateInputs } from './generation.ts'
import type { Passes } from './passes/passes.ts'
import type { ModelState } from './state/model-state.ts'

/** Tokens of a pass. */
const tokensAtOnce = 1024

/** What a reward model gives each row. */
export async function scoresOf(state: ModelState, passes: Passes, inputs: GenerateInputs): Promise<number[]> {
  if (!state.architecture.isScored)
    throw new FettleError({
      place: 'score',
      found: 'a language model',
      expected: 'a reward model',
      cure: 'Train one with method: reward, or load the adapter of one.',
    })
  checkObject('inputs', inputs)
  const rows = promptsOf(inputs, vocabularyOf(state.architecture))
  checkArgument('inputIds', inputs.inputIds, rows.length > 0, 'at least one text')
  const pad = padOf(state)
  const documents = rows.map((row) => ({ inputIds: Int32Array.from(row) }))
  const batch = scoredBatch(documents, lastTokens(documents, pad))
  const scores: number[] = []
  for (const part of splitBatch(batch, tokensAtOnce)) scores.push(...(await passes.logProbs(part)))
  return scores
}

/** The token that is no part of a text, as config.json says. */
export function padOf({ config: { raw } }: Pick<ModelState, 'config'>): number | undefined {
  const pad = raw['pad_token_id']
  return typeof pad === 'number' ? pad : undefined
}
