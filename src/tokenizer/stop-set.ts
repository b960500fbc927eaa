import type { GenerationConfig } from './generation-config.ts'
import type { Tokenizer } from './tokenizer.ts'

/** Who says that a token ends a turn. */
export type StopSource = 'template' | 'tokenizer' | 'generation_config' | 'known'

/** A token that ends a turn. */
export interface StopToken {
  id: number
  token: string
  sources: StopSource[]
}

/** The tokens that end a turn, the template's own first. */
export interface StopSet {
  ids: number[]
  tokens: StopToken[]
}

/** End-of-turn tokens of well-known templates; they count only where the template ends a turn with them. */
const knownTurnEnds = new Set([
  '<|im_end|>',
  '<|eot_id|>',
  '<|end|>',
  '<|eot|>',
  '<end_of_turn>',
  '<turn|>',
  '<|end_of_turn|>',
  '<|END_OF_TURN_TOKEN|>',
  '<|eom_id|>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|return|>',
  '<|role_end|>',
  '<|im_sep|>',
  '<|endofturn|>',
  '[e~[',
  '</s>',
  '<eos>',
  '<｜end▁of▁sentence｜>',
])

/**
 * Finds the tokens that end a turn: what the chat template writes after an answer, the tokenizer's eos and the
 * eos list of generation_config.json. The pad token is in it only if one of these names the same token.
 */
export function findStopSet(tokenizer: Tokenizer, generationConfig?: GenerationConfig): StopSet {
  const found = new Map<number, StopToken>()
  const add = (id: number | undefined, source: StopSource) => {
    const token = id === undefined ? undefined : tokenizer.convertIdsToTokens(id)
    if (id === undefined || token === undefined) return
    const known = found.get(id)
    if (known === undefined) found.set(id, { id, token, sources: [source] })
    else if (!known.sources.includes(source)) known.sources.push(source)
  }
  for (const { token, source } of templateTerminators(tokenizer))
    add(tokenizer.convertTokensToIds(token), source)
  add(tokenizer.eosTokenId, 'tokenizer')
  for (const id of generationConfig?.eosTokenIds ?? []) add(id, 'generation_config')
  const tokens = [...found.values()]
  return { ids: tokens.map(({ id }) => id), tokens }
}

const question = 'FETTLE-QUESTION'
const answer = 'FETTLE-ANSWER'

/** What the template writes after the last answer; where that is nothing, after an answer in the middle. */
function templateTerminators(tokenizer: Tokenizer): { token: string; source: StopSource }[] {
  const user = { role: 'user', content: question }
  const assistant = { role: 'assistant', content: answer }
  const isKnown = (token: string) => knownTurnEnds.has(token) || token === tokenizer.eosToken
  const end = tokensIn(tokenizer, textAfterAnswer(tokenizer, [user, assistant]))
  if (end.length > 0)
    return end.flatMap((token, i): { token: string; source: StopSource }[] =>
      i === 0 ? [{ token, source: 'template' }] : isKnown(token) ? [{ token, source: 'known' }] : [],
    )
  // In the middle, the first token may also be the next speaker's header.
  const [middle] = tokensIn(tokenizer, textAfterAnswer(tokenizer, [user, assistant, user]))
  return middle !== undefined && isKnown(middle) ? [{ token: middle, source: 'known' }] : []
}

function textAfterAnswer(tokenizer: Tokenizer, messages: { role: string; content: string }[]): string {
  try {
    const text = tokenizer.applyChatTemplate(messages)
    const start = text.indexOf(answer)
    const next = text.indexOf(question, start)
    return start === -1 ? '' : text.slice(start + answer.length, next === -1 ? undefined : next)
  } catch {
    // No template, or one that wants something else: the tokenizer's and the model's own end tokens remain.
    return ''
  }
}

/** The tokens in a text that are matched as a whole, in order. */
function tokensIn(tokenizer: Tokenizer, text: string): string[] {
  const found: string[] = []
  for (let at = 0; at < text.length;) {
    let longest = ''
    for (const token of tokenizer.addedTokens.keys())
      if (token.length > longest.length && text.startsWith(token, at)) longest = token
    if (longest !== '') found.push(longest)
    at += Math.max(1, longest.length)
  }
  return found
}
