import {
  createDataReport,
  formatOrigin,
  formatRows,
  readPrompts,
  type DataReport,
  type DataSource,
  type MixOptions,
  type Origin,
  type Prompt,
  type PromptOptions,
} from '../../data/index.ts'
import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { TrainOptions } from '../options/index.ts'
import { refuseUnknownTokens } from '../preparation/index.ts'
import { createDataHash } from '../runs/index.ts'
import { plural } from '../../plural.ts'

/** A prompt as tokens, and its row. */
export interface EncodedPrompt extends Pick<Prompt, 'origin' | 'row'> {
  /** As its row has it: a text, messages, or tokens. */
  prompt: unknown
  ids: readonly number[]
}

/** The prompts of a run. */
export interface PromptSet {
  prompts: EncodedPrompt[]
  heldOut: EncodedPrompt[]
  /** Of all of them, in their order. */
  hash: string
  report: DataReport
}

/**
 * Reads the prompts of a run. Those longer than max_length are left out, counted and named.
 *
 * @throws FettleError that names the row that cannot be used, or says that there is no prompt
 */
export async function readPromptSet(
  sources: readonly DataSource[],
  tokenizer: Tokenizer,
  options: Pick<TrainOptions, 'maxLength' | 'chatTemplateKwargs' | 'skipInvalid'>,
  { mix, vocabSize, signal }: { mix: MixOptions; vocabSize: number; signal?: AbortSignal | undefined },
): Promise<PromptSet> {
  const { maxLength, skipInvalid } = options
  const report = createDataReport()
  const set: PromptSet = { prompts: [], heldOut: [], hash: '', report }
  const hash = createDataHash()
  const tooLong: Origin[] = []
  for await (const prompt of encodePrompts(sources, tokenizer, options, { ...mix, skipInvalid, report })) {
    signal?.throwIfAborted()
    const { ids, origin } = prompt
    refuseUnknownTokens(ids, origin, { tokenizer, vocabSize })
    if (ids.length > maxLength) {
      tooLong.push(origin)
      continue
    }
    hash.add(Int32Array.from(ids), new Uint8Array(ids.length))
    if (origin.heldOut === true) set.heldOut.push(prompt)
    else set.prompts.push(prompt)
  }
  const note = `${plural(tooLong.length, 'prompt is', 'prompts are')} left out, longer than max_length ${maxLength}: ${formatRows(tooLong)}`
  if (tooLong.length > 0) report.notes.push(note)
  if (set.prompts.length === 0)
    throw new FettleError({
      place: report.sources.map(({ name }) => name).join(', '),
      found: tooLong.length > 0 ? note : 'no prompts',
      expected: 'at least one prompt',
    })
  return { ...set, hash: hash.digest() }
}

/**
 * Prompts as they are served, chats with the header of the answer; each with the columns of its row, as reward functions get them.
 *
 * @throws FettleError that names the row that cannot be used
 */
export async function* encodePrompts(
  sources: readonly DataSource[],
  tokenizer: Tokenizer,
  { chatTemplateKwargs }: Pick<TrainOptions, 'chatTemplateKwargs'>,
  options: PromptOptions = {},
): AsyncGenerator<EncodedPrompt> {
  for await (const prompt of readPrompts(sources, options)) {
    const { origin, row, content } = prompt
    const given =
      content.kind === 'text' ? content.text : content.kind === 'messages' ? content.messages : content.ids
    yield { origin, row, prompt: given, ids: await idsOf(prompt, tokenizer, chatTemplateKwargs) }
  }
}

async function idsOf(
  { content, origin }: Prompt,
  tokenizer: Tokenizer,
  variables: Record<string, unknown>,
): Promise<readonly number[]> {
  if (content.kind === 'tokens') return content.ids
  if (content.kind === 'text') return (await tokenizer.encode(content.text)).inputIds
  if (tokenizer.chatTemplate === undefined)
    throw new FettleError({
      place: formatOrigin(origin),
      found: 'messages, and a tokenizer without a chat template',
      expected: 'a text as prompt, or a template',
      cure: 'Name one: chat_template: chatml.',
    })
  const text = tokenizer.applyChatTemplate(content.messages, {
    tools: content.tools,
    addGenerationPrompt: true,
    variables: { ...variables, ...content.variables },
  })
  return (await tokenizer.encode(text, { addSpecialTokens: false })).inputIds
}
