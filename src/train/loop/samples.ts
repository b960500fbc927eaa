import type { Document } from '../../batch/index.ts'
import { messageOf } from '../../error.ts'
import { internalsOf, type AutoModelForCausalLM } from '../../model/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { Sample, SampleEvent } from '../events.ts'
import type { TrainOptions } from '../options/index.ts'
import type { TrainingData } from '../task.ts'

/** Held-out prompts that are answered when nothing is said of them. */
const usualPrompts = 2
/** Tokens of a held-out prompt that are kept: its end. */
const longestPrompt = 512
/** Larger models answer only where it is asked for: a token of theirs takes too long. */
const largestByDefault = 1e9

/** Answers a model's prompts as its training goes on. */
export interface Sampler {
  /** Whether it answers at each evaluation too, not only before and after. */
  readonly isFrequent: boolean
  /** Greedy answers of the weights as they are; undefined where there is nothing to answer. */
  sample(step: number): Promise<SampleEvent | undefined>
}

/** What a run answers: its `sample_prompts`, else the first prompts of its held-out data. */
export async function createSampler<D extends Document>(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  data: TrainingData<D>,
  options: Pick<TrainOptions, 'samplePrompts' | 'sampleMaxNewTokens' | 'chatTemplateKwargs' | 'evalStrategy'>,
): Promise<Sampler> {
  const { samplePrompts, sampleMaxNewTokens } = options
  // A reward model says nothing.
  const maxNewTokens = internalsOf(model).state.architecture.isScored ? 0 : sampleMaxNewTokens
  const isAsked = samplePrompts !== undefined
  const isCheap =
    model.engine.name !== 'reference' &&
    model.parameterCount <= largestByDefault &&
    options.evalStrategy !== 'no'
  const prompts = Array.isArray(samplePrompts)
    ? await Promise.all(samplePrompts.map((text) => idsOf(tokenizer, text, options.chatTemplateKwargs)))
    : heldOutPrompts(data, samplePrompts ?? (isCheap ? usualPrompts : 0))
  return {
    isFrequent: isAsked,
    async sample(step) {
      if (prompts.length === 0 || maxNewTokens === 0) return undefined
      const samples: Sample[] = []
      for (const prompt of prompts) samples.push(await answer(prompt))
      return { type: 'sample', step, samples }
    },
  }

  async function answer(inputIds: number[]): Promise<Sample> {
    const prompt = tokenizer.decode(inputIds)
    try {
      const { sequences, finishReasons } = await model.generate(
        { inputIds: [inputIds] },
        { maxNewTokens, doSample: false, returnDictInGenerate: true },
      )
      const reason = finishReasons[0] === 'stop' ? 'stop' : 'length'
      return { prompt, text: tokenizer.decode(sequences[0]), finish_reason: reason }
    } catch (error) {
      // No answer is a reason to lose a run.
      return { prompt, text: '', finish_reason: 'error', problem: messageOf(error) }
    }
  }
}

/** A text as the message of a user, where there is a chat template; else as it is. */
async function idsOf(
  tokenizer: Tokenizer,
  text: string,
  variables: TrainOptions['chatTemplateKwargs'],
): Promise<number[]> {
  if (tokenizer.chatTemplate === undefined) return (await tokenizer.encode(text)).inputIds
  const chat = tokenizer.applyChatTemplate([{ role: 'user', content: text }], {
    addGenerationPrompt: true,
    variables,
  })
  return (await tokenizer.encode(chat, { addSpecialTokens: false })).inputIds
}

/** What stands before the first learned token of the first held-out documents. */
function heldOutPrompts<D extends Document>(
  { evaluation, prompts: given }: TrainingData<D>,
  count: number,
): number[][] {
  if (given) return given.slice(0, count).map((prompt) => [...prompt])
  const prompts: number[][] = []
  const seen = new Set<string>()
  if (count === 0 || !evaluation) return prompts
  for (const { documents } of evaluation.batches())
    for (const { inputIds, mask } of documents) {
      const learned = mask.indexOf(1)
      const prompt = [...inputIds.subarray(Math.max(0, learned - longestPrompt), Math.max(0, learned))]
      const key = prompt.join()
      if (prompt.length === 0 || seen.has(key)) continue
      seen.add(key)
      prompts.push(prompt)
      if (prompts.length === count) return prompts
    }
  return prompts
}
