import { writeFile } from 'node:fs/promises'
import type { AutoModelForCausalLM, Tokenizer } from '../../src/index.ts'
import type { Batch } from '../../src/batch/index.ts'
import { prepareData } from '../../src/train/preparation/prepare-data.ts'
import { readTrainOptions } from '../../src/train/options/read-options.ts'
import type { InteropPaths } from './setting.ts'
import { comparedSteps, runOptions } from './setting.ts'

/** One step as PEFT is fed it: all packs end to end. */
export interface StepRows {
  input_ids: number[]
  /** Unshifted, as in Hugging Face; −100 is not learned. */
  labels: number[]
  position_ids: number[]
  document_ids: number[]
  learned_tokens: number
}

/** The rows of each step, from the same functions and options that `trainSft` uses. */
export async function dumpRows(
  paths: InteropPaths,
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
): Promise<StepRows[]> {
  const options = readTrainOptions(runOptions(paths))
  const data = await prepareData({ options, tokenizer, vocabSize: model.vocabSize })
  const steps = Array.from({ length: comparedSteps }, (_, step) => {
    const [batch, ...more] = data.stepAt(step).batches
    if (more.length > 0) throw new Error('a step of this comparison is one batch')
    return stepRows(batch)
  })
  await writeFile(paths.rows, JSON.stringify(steps))
  return steps
}

function stepRows({ inputIds, targets, positionIds, documentIds, learnedTokens }: Batch): StepRows {
  return {
    input_ids: [...inputIds],
    // targets[i] is the label of token i + 1; a document's first token has none.
    labels: [-100, ...targets.subarray(0, -1)],
    position_ids: [...positionIds],
    document_ids: [...documentIds],
    learned_tokens: learnedTokens,
  }
}
