import { isJsonObject } from './json.ts'

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
