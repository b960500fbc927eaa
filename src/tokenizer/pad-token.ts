import { checkText } from '../check-argument.ts'
import { FettleError } from '../error.ts'
import type { Tokenizer } from './tokenizer.ts'

/** How to find a pad token: by one of the ways below, or a token by its name. */
export type PadPolicy = 'auto' | 'reserved' | 'unk' | 'eos' | 'new' | (string & {})

/** The pad token and where it came from. */
export interface PadChoice {
  token: string
  id: number
  /** `existing`: the tokenizer had one; `named`: the caller gave it. */
  source: 'existing' | 'reserved' | 'unk' | 'eos' | 'new' | 'named'
  /** Rows that the embedding lacks for it; more than 0 only for a new token. */
  newRows: number
}

const newPadToken = '<pad>'

/** Tokens made for padding that tokenizers have without saying so. */
const padNames = [
  '<pad>',
  '[PAD]',
  '<|pad|>',
  '<PAD>',
  '<|finetune_right_pad_id|>',
  '<|padding|>',
  '<|PAD_TOKEN|>',
]

/** Tokens that models reserve and never saw in training, so that nothing is lost when they mean padding. */
const reservedNames =
  /^(<\|reserved_special_token_\d+\|>|<\|reserved_\d+\|>|<reserved_\d+>|<unused_?\d+>|\[unused\d+\]|<\|unused_?\d+\|>|<\|dummy_\d+\|>|<\|extra_\d+\|>|<extra_id_\d+>|<SPECIAL_\d+>|<\|placeholder\d+\|>)$/i

/**
 * Makes sure that the tokenizer has a pad token. `auto` keeps the one there is; without one it takes a
 * reserved token that the model never learned, else unk, else a new `<pad>` that needs a row of the embedding.
 * Padding is masked by position everywhere, so even `eos` is safe when asked for.
 *
 * @param embeddingRows  rows of the model's embedding, where known; many have more than the tokenizer needs
 * @throws FettleError when the policy asks for a token that is not there
 */
export function ensurePadToken(
  tokenizer: Tokenizer,
  policy: PadPolicy = 'auto',
  embeddingRows: number = tokenizer.length,
): PadChoice {
  checkText('policy', policy)
  if (policy === 'auto' && tokenizer.padToken !== undefined)
    return choose(tokenizer, tokenizer.padToken, 'existing', embeddingRows)
  switch (policy) {
    case 'auto': {
      const found = findReserved(tokenizer)
      if (found !== undefined) return choose(tokenizer, found, 'reserved', embeddingRows)
      return tokenizer.unkToken === undefined
        ? choose(tokenizer, newPadToken, 'new', embeddingRows)
        : choose(tokenizer, tokenizer.unkToken, 'unk', embeddingRows)
    }
    case 'new':
      return choose(tokenizer, newPadToken, 'new', embeddingRows)
    case 'reserved':
      return choose(
        tokenizer,
        findReserved(tokenizer) ?? missing(tokenizer, 'reserved'),
        'reserved',
        embeddingRows,
      )
    case 'unk':
      return choose(tokenizer, tokenizer.unkToken ?? missing(tokenizer, 'unk'), 'unk', embeddingRows)
    case 'eos':
      return choose(tokenizer, tokenizer.eosToken ?? missing(tokenizer, 'eos'), 'eos', embeddingRows)
    default:
      return choose(tokenizer, policy, 'named', embeddingRows)
  }
}

function choose(
  tokenizer: Tokenizer,
  token: string,
  source: PadChoice['source'],
  embeddingRows: number,
): PadChoice {
  if (tokenizer.padToken !== token) tokenizer.setNamedToken('pad_token', token)
  const id = tokenizer.padTokenId
  if (id === undefined) throw new Error(`pad token ${token} was added but has no id`)
  return { token, id, source, newRows: Math.max(0, id + 1 - embeddingRows) }
}

function findReserved(tokenizer: Tokenizer): string | undefined {
  const inUse = new Set(tokenizer.namedTokens.values())
  const free = (token: string) =>
    !inUse.has(token) && ![...tokenizer.chatTemplates.values()].some((t) => t.includes(token))
  const named = padNames.find((token) => tokenizer.convertTokensToIds(token) !== undefined && free(token))
  // The last of a reserved row: people who use reserved tokens for something take the first.
  return named ?? tokenizer.specialTokens.findLast((token) => reservedNames.test(token) && free(token))
}

function missing(tokenizer: Tokenizer, policy: 'reserved' | 'unk' | 'eos'): never {
  throw new FettleError({
    place: `${tokenizer.place}: pad token`,
    found: policy === 'reserved' ? 'no reserved token' : `no ${policy} token`,
    expected: `one, because the pad policy is '${policy}'`,
    cure: "Use the policy 'auto', or name a token.",
  })
}
