import {
  formatOrigin,
  readPrompts,
  type DataReport,
  type DataSource,
  type MixOptions,
  type Prompt,
} from '../../data/index.ts'
import { createDataReport } from '../../data/index.ts'
import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { TrainOptions } from '../options/index.ts'
import { refuseUnknownTokens } from '../preparation/index.ts'
import { createDataHash } from '../runs/index.ts'

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

/** Rows that a note names. */
const namedRows = 5

/**
 * Reads prompts as they are served: chats with the header of the answer. Those longer than max_length are left out, counted and named.
 *
 * @throws FettleError that names the row that cannot be used, or says that there is no prompt
 */
export async function readPromptSet(
  sources: readonly DataSource[],
  tokenizer: Tokenizer,
  {
    maxLength,
    chatTemplateKwargs,
    skipInvalid,
  }: Pick<TrainOptions, 'maxLength' | 'chatTemplateKwargs' | 'skipInvalid'>,
  { mix, vocabSize, signal }: { mix: MixOptions; vocabSize: number; signal?: AbortSignal | undefined },
): Promise<PromptSet> {
  const report = createDataReport()
  const set: PromptSet = { prompts: [], heldOut: [], hash: '', report }
  const hash = createDataHash()
  const tooLong: string[] = []
  for await (const prompt of readPrompts(sources, { ...mix, skipInvalid, report })) {
    signal?.throwIfAborted()
    const ids = await idsOf(prompt, tokenizer, chatTemplateKwargs)
    refuseUnknownTokens(ids, prompt.origin, { tokenizer, vocabSize })
    if (ids.length > maxLength) {
      tooLong.push(formatOrigin(prompt.origin))
      continue
    }
    hash.add(Int32Array.from(ids), new Uint8Array(ids.length))
    const { origin, row, content } = prompt
    const given =
      content.kind === 'text' ? content.text : content.kind === 'messages' ? content.messages : content.ids
    const encoded = { origin, row, prompt: given, ids }
    if (origin.heldOut === true) set.heldOut.push(encoded)
    else set.prompts.push(encoded)
  }
  const note = `${tooLong.length === 1 ? '1 prompt is' : `${tooLong.length} prompts are`} left out, longer than max_length ${maxLength}: ${tooLong.slice(0, namedRows).join(', ')}${tooLong.length > namedRows ? ` and ${tooLong.length - namedRows} more` : ''}`
  if (tooLong.length > 0) report.notes.push(note)
  if (set.prompts.length === 0)
    throw new FettleError({
      place: report.sources.map(({ name }) => name).join(', '),
      found: tooLong.length > 0 ? note : 'no rows',
      expected: 'at least one prompt',
    })
  return { ...set, hash: hash.digest() }
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
