import { lastTokens, scoredBatch } from '../../batch/index.ts'
import { internalsOf } from '../../model/index.ts'
import { composeRun, type RunContext, type TrainInput } from '../setup/compose-run.ts'
import type { TrainEvent } from '../events.ts'
import { reward, type ScoredAnswer } from '../objectives/reward.ts'
import type { AnswerSet } from './answer-sets.ts'
import { itemData, type Items } from './item-data.ts'
import { pairItems } from './pair-items.ts'
import { readSets, toldOf } from './train-preferences.ts'

/**
 * Trains a reward model: learns from pairs to score a chosen answer above a rejected one. A language model gets a head for that, which is
 * trained whole beside LoRA (`modules_to_save: [score]`), as PEFT and Transformers have it; afterwards `model.score` gives its scores.
 * As `trainDpo`, without a reference.
 *
 * @throws FettleError as `trainSft` does, and for a family that has no such models
 */
export async function* trainReward(input: TrainInput): AsyncGenerator<TrainEvent, void, undefined> {
  yield* composeRun<ScoredAnswer>({ ...input, method: 'reward' }, async (context) => {
    const { options, model } = context
    const { train, held } = await readSets(context, 'comparisons')
    const pad = padOf(context)
    await internalsOf(model).addScoreHead(options.seed)
    return {
      objective: reward(options.centerRewardsCoefficient),
      data: itemData(
        comparisonItems(train, pad),
        held && comparisonItems(held, pad),
        options,
        toldOf(train, held),
      ),
    }
  })
}

/**
 * The token that Transformers looks for the end of a text by: what config.json says, else the tokenizer's. One that ends texts, too, is
 * none where config.json does not say so: whoever loads an adapter has the base's config.json, and would score another token.
 */
function padOf({ model: { config, generationConfig }, stopTokenIds }: RunContext): number | undefined {
  const { padTokenId } = generationConfig
  if (padTokenId !== undefined && !stopTokenIds.includes(padTokenId)) config['pad_token_id'] ??= padTokenId
  return typeof config['pad_token_id'] === 'number' ? config['pad_token_id'] : undefined
}

function comparisonItems(set: AnswerSet, pad: number | undefined): Items<ScoredAnswer> {
  const { count, documents } = pairItems(set)
  return {
    count,
    documents(item) {
      const margin = set.margins.get(item)
      return margin === undefined ? documents(item) : documents(item).map((answer) => ({ ...answer, margin }))
    },
    collate: (answers) => scoredBatch(answers, lastTokens(answers, pad)),
  }
}
