import type { DataSource, InspectedExample, PromptOptions } from '../../data/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { encodePrompts, type TrainOptions } from '../../train/index.ts'

/** A prompt that a run completes, with what its reward functions get of its row. */
export interface InspectedPrompt extends InspectedExample {
  row: Record<string, unknown>
}

/** The prompts of some data as `method: grpo` completes them; nothing of them is learned. */
export async function* inspectPrompts(
  sources: readonly DataSource[],
  tokenizer: Tokenizer,
  options: Pick<TrainOptions, 'chatTemplateKwargs'>,
  reading: PromptOptions,
): AsyncGenerator<InspectedPrompt> {
  for await (const { origin, row, ids } of encodePrompts(sources, tokenizer, options, reading)) {
    const inputIds = Int32Array.from(ids)
    const mask = new Uint8Array(inputIds.length)
    yield { origin, row, text: tokenizer.decode(inputIds), inputIds, mask, spans: [], straddles: [] }
  }
}
