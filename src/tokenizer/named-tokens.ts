import { isJsonObject, type JsonObject } from './json.ts'

/** A special token by its name in configurations. */
export type NamedToken =
  | 'bos_token'
  | 'eos_token'
  | 'unk_token'
  | 'sep_token'
  | 'pad_token'
  | 'cls_token'
  | 'mask_token'

/** All of them, in the order in which transformers adds them. */
export const namedTokens = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const satisfies NamedToken[]

/** A token that is matched as a whole before anything else; defaults are those of transformers. */
export interface AddedToken {
  content: string
  /** Left out by `decode` with skipSpecialTokens. */
  special?: boolean
  singleWord?: boolean
  leftStrip?: boolean
  rightStrip?: boolean
  /** Match in the normalised text; by default what is not special. */
  normalized?: boolean
}

/** A token as configurations write it: a string or an object with `content`. */
export function parseToken(entry: unknown): AddedToken | undefined {
  if (typeof entry === 'string') return { content: entry }
  if (!isJsonObject(entry) || typeof entry.content !== 'string') return undefined
  const token: AddedToken = { content: entry.content }
  if (typeof entry.special === 'boolean') token.special = entry.special
  if (typeof entry.single_word === 'boolean') token.singleWord = entry.single_word
  if (typeof entry.lstrip === 'boolean') token.leftStrip = entry.lstrip
  if (typeof entry.rstrip === 'boolean') token.rightStrip = entry.rstrip
  if (typeof entry.normalized === 'boolean') token.normalized = entry.normalized
  return token
}

/** The named tokens of tokenizer_config.json; what it does not say, special_tokens_map.json may. */
export function readNamedTokens(
  config: JsonObject,
  specialTokensMap: JsonObject = {},
): Map<NamedToken, AddedToken> {
  const found = new Map<NamedToken, AddedToken>()
  for (const name of namedTokens) {
    const token = parseToken(config[name]) ?? parseToken(specialTokensMap[name])
    if (token !== undefined) found.set(name, { ...token, special: true })
  }
  return found
}

/** Further special tokens: `extra_special_tokens` of transformers 5, `additional_special_tokens` before. */
export function readExtraTokens(config: JsonObject, specialTokensMap: JsonObject = {}): AddedToken[] {
  const lists = [
    config.extra_special_tokens,
    config.additional_special_tokens,
    specialTokensMap.additional_special_tokens,
  ]
  return lists.flatMap((list) => {
    const entries = Array.isArray(list) ? list : isJsonObject(list) ? Object.values(list) : []
    return entries.flatMap((entry: unknown) => {
      const token = parseToken(entry)
      return token === undefined ? [] : [{ ...token, special: true }]
    })
  })
}

/** Tokens with fixed ids that tokenizer.json may lack: `added_tokens_decoder` and added_tokens.json, by id. */
export function readNumberedTokens(config: JsonObject, addedTokens: JsonObject = {}): [number, AddedToken][] {
  const found = new Map<number, AddedToken>()
  for (const [content, id] of Object.entries(addedTokens))
    if (typeof id === 'number') found.set(id, { content })
  const decoder = isJsonObject(config.added_tokens_decoder) ? config.added_tokens_decoder : {}
  for (const [id, entry] of Object.entries(decoder)) {
    const token = parseToken(entry)
    if (token !== undefined) found.set(Number(id), token)
  }
  return [...found].toSorted(([a], [b]) => a - b)
}
