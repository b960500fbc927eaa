import { findStopTokens } from '../../chat/index.ts'
import { parseChatTemplateOf } from '../chats/chat-templates.ts'
import type { GenerationConfig } from './generation-config.ts'
import type { Tokenizer } from '../tokenizer.ts'

/** Who says that a token ends a turn. */
export type StopSource = 'template' | 'tokenizer' | 'generation_config'

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
  for (const token of templateTerminators(tokenizer)) add(tokenizer.convertTokensToIds(token), 'template')
  add(tokenizer.eosTokenId, 'tokenizer')
  for (const id of generationConfig?.eosTokenIds ?? []) add(id, 'generation_config')
  const tokens = [...found.values()]
  return { ids: tokens.map(({ id }) => id), tokens }
}

/** What the chat template writes after an answer; nothing without a template. */
function templateTerminators(tokenizer: Tokenizer): string[] {
  const { place, chatTemplate, bosToken, eosToken, specialTokens } = tokenizer
  if (chatTemplate === undefined) return []
  return findStopTokens(parseChatTemplateOf(place, chatTemplate), { bosToken, eosToken, specialTokens })
}
