import { FettleError } from '../../error.ts'
import {
  createDataReport,
  formatOrigin,
  readConversations,
  readPrompts,
  type Conversation,
  type DataSource,
  type Prompt,
} from '../../data/index.ts'
import type { RunEvaluation } from '../../train/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { renderRequest, type PromptRequest, type RenderedPrompt } from './prompt-request.ts'

/** What a model is asked for a certificate. */
export interface EvaluationPrompt extends RenderedPrompt {
  /** The row: file and line. */
  origin: string
  request: PromptRequest
}

/** Rows to ask, and what to make of them. */
export type EvaluationRows = Omit<RunEvaluation, 'role'>

/** The longest prompt that is asked. */
const mostTokens = 2048

/** Of a text without a prompt so many characters are one. */
const shownText = 200

/** Rows of files that somebody named, in the format that the first row of each tells. */
export function rowsOfFiles(
  paths: readonly string[],
  run: Pick<EvaluationRows, 'preferences' | 'isPrompts' | 'variables'>,
): EvaluationRows {
  return { ...run, sources: paths.map((path): DataSource => ({ path })), mix: {}, isHeldOut: false }
}

/** The prompts of the first `count` rows that have one which is not too long, each once. */
export async function readEvaluationPrompts(
  rows: EvaluationRows,
  tokenizer: Tokenizer,
  count: number,
): Promise<EvaluationPrompt[]> {
  const prompts: EvaluationPrompt[] = []
  const known = new Set<string>()
  for await (const { origin, request } of requestsOf(rows)) {
    const prompt = await renderRequest(request, tokenizer).catch(orRefused)
    const ids = prompt?.ids ?? []
    if (!prompt || ids.length === 0 || ids.length > mostTokens || known.has(ids.join())) continue
    known.add(ids.join())
    prompts.push({ origin, request, ...prompt })
    if (prompts.length === count) break
  }
  return prompts
}

/** A template may refuse messages: then there is no prompt. */
function orRefused(error: unknown): undefined {
  if (!(error instanceof FettleError)) throw error
}

type Asked = Pick<EvaluationPrompt, 'origin' | 'request'>

async function* requestsOf({
  sources,
  mix,
  isHeldOut,
  isPrompts,
  ...how
}: EvaluationRows): AsyncGenerator<Asked> {
  // A row that cannot be used is for training to refuse.
  const reading = { ...mix, skipInvalid: true, report: createDataReport() }
  const { preferences, variables } = how
  const found: AsyncGenerator<Conversation | Prompt> = isPrompts
    ? readPrompts(sources, reading)
    : readConversations(sources, { ...reading, preferences })
  for await (const each of found) {
    const { file, line, row, heldOut } = each.origin
    if (isHeldOut && heldOut !== true) continue
    const request = 'content' in each ? requestOfPrompt(each, variables) : requestOf(each, variables)
    const origin = { file, ...(line !== undefined && { line }), ...(row !== undefined && { row }) }
    if (request) yield { origin: formatOrigin(origin), request }
  }
}

/** Up to the last answer; undefined where nothing asks for one. */
function requestOf(
  conversation: Conversation,
  variables: EvaluationRows['variables'],
): PromptRequest | undefined {
  switch (conversation.kind) {
    case 'messages': {
      const { messages, tools, variables: own } = conversation
      const last = messages.findLastIndex(({ role }) => role === 'assistant')
      if (last < 1) return undefined
      return {
        kind: 'messages',
        messages: messages.slice(0, last),
        tools,
        variables: { ...variables, ...own },
      }
    }
    case 'completion':
      return { kind: 'text', text: conversation.prompt }
    case 'text':
      return { kind: 'text', text: conversation.text.slice(0, shownText) }
    case 'tokens': {
      const { inputIds, mask } = conversation
      return { kind: 'tokens', ids: inputIds.slice(0, Math.max(0, mask.indexOf(1))) }
    }
  }
}

function requestOfPrompt({ content }: Prompt, variables: EvaluationRows['variables']): PromptRequest {
  if (content.kind !== 'messages') return content
  return { ...content, variables: { ...variables, ...content.variables } }
}
