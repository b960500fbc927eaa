import type { ChatTemplate, RenderOptions } from './template.ts'
import { commonPrefixLength, ownershipOf } from './ownership.ts'
import type { Message, Rendered } from './messages.ts'

/** What rendering a conversation and finding its learned spans both need besides the messages. */
export interface TokenTexts {
  bosToken?: string | undefined
  eosToken?: string | undefined
  /** The texts of the tokenizer's special tokens. */
  specialTokens?: readonly string[] | undefined
}

/** End-of-turn tokens of published chat formats; one counts where a template really writes it. */
const wellKnownStopTokens: readonly string[] = [
  '<|im_end|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|eot|>',
  '<|eom|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|calls|>',
  '<end_of_turn>',
  '<turn|>',
  '<|end_of_turn|>',
  '<|endofturn|>',
  '<|end_of_msg|>',
  '<|assistant_end|>',
  '<|message_sep|>',
  '<|role_end|>',
  '[|endofturn|]',
  '<|END_OF_TURN_TOKEN|>',
  '<|end_of_text|>',
  '<|endoftext|>',
  '<|end_of_sentence|>',
  '<｜end▁of▁sentence｜>',
  '<|eos|>',
  '<seed:eos>',
  '[e~[',
  '</s>',
  '<eos>',
]

/** What one template does at the end of assistant turns and to ask for one. */
export interface TemplateFacts {
  /** The tokens that end an assistant turn. */
  readonly stopTokens: readonly string[]
  /** What `add_generation_prompt` appends after a user message; empty when it has no effect. */
  readonly generationPrompt: string
  /** What stands between a question and the answer: the generation prompt, or the end of the user's turn. */
  readonly cue: string
  /** What stands between an answer and the next question. */
  readonly userIntroduction: string
  /** What every turn begins with, whoever speaks: `<|im_start|>`; empty where there is no such thing. */
  readonly opening: string
  /** Every token that ends a turn where the template writes it, longest first. */
  readonly candidates: readonly string[]
}

interface KnownFacts {
  readonly specialTokens: readonly string[] | undefined
  readonly facts: TemplateFacts
}

// A template is used with one set of tokens and variables nearly always.
const known = new WeakMap<ChatTemplate, Map<string, KnownFacts>>()

const user: Message = { role: 'user', content: 'question' }
const assistant: Message = { role: 'assistant', content: 'answer' }
const thoughtful: Message = { ...assistant, thinking: 'thought', reasoning_content: 'thought' }
const calling: Message = {
  role: 'assistant',
  content: '',
  tool_calls: [{ type: 'function', id: 'call00001', function: { name: 'tool', arguments: {} } }],
}

const tool = { type: 'function', function: { name: 'tool', description: '', parameters: {} } }

/** Whether a template for calling tools refuses conversations without any. */
function needsTools(template: ChatTemplate, variables: Partial<RenderOptions>): boolean {
  const renders = (tools: unknown[] | undefined): boolean =>
    tryText(() => template.render({ ...variables, tools, messages: [user, assistant] })) !== undefined
  return !renders(undefined) && renders([tool])
}

/** The rendered text, or `undefined` where the template raises. */
export function tryText(render: () => Rendered): string | undefined {
  try {
    return render().text
  } catch {
    return undefined
  }
}

/** Looks up, or finds out by rendering small conversations, how a template ends and begins assistant turns. */
export function templateFacts(
  template: ChatTemplate,
  tokens: TokenTexts,
  variables: Partial<RenderOptions> = {},
): TemplateFacts {
  // Variables such as enable_thinking change what the template writes; values that are no scalars do so rarely.
  let key = `${tokens.bosToken}\n${tokens.eosToken}`
  for (const name of Object.keys(variables)) {
    const value = variables[name]
    if (value !== null && typeof value !== 'object') key += `\n${name}\t${typeof value}\t${String(value)}`
  }
  const byKey = known.get(template) ?? new Map<string, KnownFacts>()
  known.set(template, byKey)
  const cached = byKey.get(key)
  if (cached !== undefined && isSameList(cached.specialTokens, tokens.specialTokens)) return cached.facts
  const plain = { ...variables, tools: undefined, documents: undefined }
  const facts = discover(template, tokens, needsTools(template, plain) ? { ...plain, tools: [tool] } : plain)
  byKey.set(key, { specialTokens: tokens.specialTokens, facts })
  return facts
}

function isSameList(left: readonly string[] | undefined, right: readonly string[] | undefined): boolean {
  if (left === right) return true
  return left?.length === right?.length && (left?.every((token, index) => token === right?.[index]) ?? false)
}

function discover(
  template: ChatTemplate,
  tokens: TokenTexts,
  variables: Partial<RenderOptions>,
): TemplateFacts {
  const options = { ...variables, bosToken: tokens.bosToken, eosToken: tokens.eosToken }
  const eos = tokens.eosToken === undefined || tokens.eosToken === '' ? [] : [tokens.eosToken]
  const isEnding = (token: string): boolean => token !== tokens.bosToken || token === tokens.eosToken
  const endings = new Set([...wellKnownStopTokens, ...eos].filter(isEnding))
  const special = new Set([...endings, ...(tokens.specialTokens ?? []).filter(isEnding)])
  const conversation = { ...options, messages: [user, assistant, user, assistant] }
  const tail = answerTail(template, { ...options, messages: [user, assistant] })
  const following = answerTail(template, conversation, 1)
  // With nothing behind the turn, every end-of-turn token in the tail is one of its terminators.
  const found = new Set(tokensIn(tail, endings))
  // Of other special tokens only the last that every turn has: those before it close parts of the turn.
  const everyTail = following === '' ? tail : tail.slice(0, commonPrefixLength(tail, following))
  const ofFollowing = tokensIn(following, endings).at(0) ?? tokensIn(everyTail, special).at(-1)
  if (ofFollowing !== undefined) found.add(ofFollowing)
  // What parts the thinking from the answer does not end the turn, though earlier turns may be shown with it.
  const inner = tokensIn(answerGaps(template, { ...options, messages: [user, thoughtful] }), found)
  if (inner.length < found.size) for (const token of inner) found.delete(token)
  const called = answerTail(template, { ...options, messages: [user, calling] })
  const ending = tokensIn(called, new Set([...endings, ...found])).at(-1)
  if (ending !== undefined) found.add(ending)
  const asked = tryText(() => template.render({ ...options, messages: [user], addGenerationPrompt: true }))
  const unasked = tryText(() => template.render({ ...options, messages: [user], addGenerationPrompt: false }))
  const isAppended = asked !== undefined && unasked !== undefined && asked.startsWith(unasked)
  const generationPrompt = isAppended ? asked.slice(unasked.length) : ''
  const cue =
    generationPrompt === '' ? answerTail(template, { ...options, messages: [user] }) : generationPrompt
  const all = [...new Set([...found, ...endings])].toSorted((left, right) => right.length - left.length)
  const userIntroduction =
    following === '' ? textBefore(template, { ...options, messages: [user] }) : following
  const opening = openingOf(generationPrompt.trimStart(), userIntroduction)
  return { stopTokens: [...found], generationPrompt, cue, userIntroduction, opening, candidates: all }
}

/** What a question and an answer begin with alike, or the token that an answer begins with. */
function openingOf(generationPrompt: string, userIntroduction: string): string {
  const [token] = /^<[^<>\s]+>/.exec(generationPrompt) ?? []
  if (token === undefined) return ''
  const at = userIntroduction.lastIndexOf(token)
  if (at === -1) return token
  return generationPrompt.slice(0, commonPrefixLength(generationPrompt, userIntroduction.slice(at)))
}

/** What stands between an answer and whatever another message wrote next. */
function answerTail(
  template: ChatTemplate,
  options: RenderOptions,
  message = options.messages.length - 1,
): string {
  try {
    const rendered = template.render(options)
    const { contentOf, owned, text } = ownershipOf(rendered)
    const last = contentOf(message).at(-1)
    if (last === undefined) return ''
    const next = owned.find((segment) => segment.start >= last.end && segment.message !== message)
    return text.slice(last.end, next?.start ?? text.length)
  } catch {
    return ''
  }
}

/** What the template writes before the content of the first message. */
function textBefore(template: ChatTemplate, options: RenderOptions): string {
  try {
    const { contentOf, text } = ownershipOf(template.render(options))
    return text.slice(0, contentOf(0).at(0)?.start ?? 0)
  } catch {
    return ''
  }
}

/** What the template writes between the parts of the last message, as between its thinking and its answer. */
function answerGaps(template: ChatTemplate, options: RenderOptions): string {
  try {
    const { contentOf, text } = ownershipOf(template.render(options))
    const parts = contentOf(options.messages.length - 1)
    return parts
      .slice(1)
      .map((part, index) => text.slice(parts[index]?.end ?? part.start, part.start))
      .join('\n')
  } catch {
    return ''
  }
}

/** The tokens of a set that occur in a text, in their order there; longer ones win over their parts. */
function tokensIn(text: string, tokens: ReadonlySet<string>): string[] {
  const found: string[] = []
  const longestFirst = [...tokens]
    .filter((token) => token !== '')
    .toSorted((left, right) => right.length - left.length)
  let offset = 0
  while (offset < text.length) {
    const token = longestFirst.find((candidate) => text.startsWith(candidate, offset))
    if (token !== undefined) found.push(token)
    offset += token?.length ?? 1
  }
  return found
}

/** The terminators that the template writes after assistant turns, in the order in which they stand there. */
export function findStopTokens(
  template: ChatTemplate,
  tokens: TokenTexts,
  variables: Partial<RenderOptions> = {},
): string[] {
  return [...templateFacts(template, tokens, variables).stopTokens]
}
