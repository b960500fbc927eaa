import type { ChatFormat, ChatFormatName } from '../chat/index.ts'
import { chatFormats } from '../chat/index.ts'
import { FettleError } from '../error.ts'
import type { PadChoice, PadPolicy, Tokenizer } from '../tokenizer/index.ts'
import { ensurePadToken, findStopSet } from '../tokenizer/index.ts'
import type { AutoModelForCausalLM } from './causal-lm.ts'

/** How `setupChatFormat` goes about it. */
export interface ChatFormatOptions {
  /** Round a grown embedding up to a multiple of this. */
  padToMultipleOf?: number
  /** Where the pad token comes from (default `auto`). */
  padPolicy?: PadPolicy
  /** Replace the chat template that the tokenizer has (default false). */
  replaceTemplate?: boolean
}

/** What `setupChatFormat` did. */
export interface ChatFormatSetup {
  /** Tokens that the tokenizer did not have; their rows must be learned (`trainableTokenIndices`). */
  newTokens: { token: string; id: number }[]
  pad: PadChoice
  /** Tokens that end a turn, the format's own first. */
  stopTokenIds: number[]
  /** Rows of the embedding before and after. */
  rows: { before: number; after: number }
}

/**
 * Gives a model that has no chat format one: adds the format's special tokens (those that exist are reused), makes
 * room for them in the embeddings, sets the template, bos, eos and pad, and keeps config.json and
 * generation_config.json in step. A matrix with spare rows keeps its size.
 *
 * @throws FettleError when the tokenizer has a template already and `replaceTemplate` is not set
 */
export async function setupChatFormat(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  name: ChatFormatName = 'chatml',
  { padToMultipleOf, padPolicy = 'auto', replaceTemplate = false }: ChatFormatOptions = {},
): Promise<ChatFormatSetup> {
  if (tokenizer.chatTemplate !== undefined && !replaceTemplate)
    throw new FettleError({
      place: tokenizer.place,
      found: 'a chat template',
      expected: 'none, because another format would unteach the model its own',
      cure: 'Train with the template that is there, or pass replaceTemplate: true.',
    })
  const format = chatFormats[name]
  const known = new Set(tokenizer.addedTokens.keys())
  const had = (token: string) => known.has(token) || tokenizer.convertTokensToIds(token) !== undefined
  const wanted = tokensOf(format, tokenizer)
  const fresh = wanted.filter((token) => !had(token))
  tokenizer.addSpecialTokens(wanted.filter((token) => tokenizer.addedTokens.get(token)?.special !== true))
  if (format.template.includes('bos_token') && tokenizer.bosToken === undefined && format.bosToken)
    tokenizer.setNamedToken('bos_token', format.bosToken)
  if (isWritten(format, format.eosToken) || tokenizer.eosToken === undefined)
    tokenizer.setNamedToken('eos_token', format.eosToken)
  tokenizer.chatTemplate = format.template

  const before = model.vocabSize
  const padWasThere = new Set(tokenizer.addedTokens.keys())
  const pad = ensurePadToken(tokenizer, padPolicy, before)
  if (!padWasThere.has(pad.token) && pad.source === 'new') fresh.push(pad.token)
  const newTokens = fresh.map((token) => ({ token, id: idOf(tokenizer, token) }))
  const needed = Math.max(before, tokenizer.length, ...newTokens.map(({ id }) => id + 1))
  await model.resizeTokenEmbeddings(needed, {
    padToMultipleOf: needed > before ? padToMultipleOf : undefined,
    newTokenIds: newTokens.map(({ id }) => id),
  })
  return {
    newTokens,
    pad,
    stopTokenIds: alignConfigs(model, tokenizer),
    rows: { before, after: model.vocabSize },
  }
}

/** A token that the template writes itself; others reach it as `bos_token` and `eos_token`. */
function isWritten({ template }: ChatFormat, token: string): boolean {
  return template.includes(token)
}

/** The format's tokens, but for a bos or eos in whose place the tokenizer has its own. */
function tokensOf(format: ChatFormat, tokenizer: Tokenizer): string[] {
  return format.specialTokens.filter((token) => {
    if (isWritten(format, token)) return true
    if (token === format.bosToken) return tokenizer.bosToken === undefined
    return token !== format.eosToken || tokenizer.eosToken === undefined
  })
}

/** Writes the tokenizer's ids into both configurations; returns the tokens that end a turn. */
function alignConfigs(model: AutoModelForCausalLM, tokenizer: Tokenizer): number[] {
  const { bosTokenId, eosTokenId, padTokenId } = tokenizer
  const { generationConfig } = model
  const eosTokenIds = generationConfig.eosTokenIds.filter(
    // A pad token ends nothing, unless it is the eos token and was asked to be both.
    (id) => id !== padTokenId || id === eosTokenId,
  )
  const { ids } = findStopSet(tokenizer, { eosTokenIds, raw: {} })
  generationConfig.eosTokenIds = ids
  model.config['eos_token_id'] = eosTokenId
  if (bosTokenId !== undefined) generationConfig.bosTokenId = model.config['bos_token_id'] = bosTokenId
  if (padTokenId !== undefined) generationConfig.padTokenId = model.config['pad_token_id'] = padTokenId
  return ids
}

function idOf(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.convertTokensToIds(token)
  if (id === undefined) throw new Error(`${token} was added but has no id`)
  return id
}
