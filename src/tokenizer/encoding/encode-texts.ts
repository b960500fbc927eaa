import { FettleError } from '../../error.ts'
import type { Backend } from '../backend.ts'
import { padRows, type Padding } from './padding.ts'
import type { Encoding } from './encoding.ts'
import { keptTokens, type Truncation } from './max-length.ts'
import { mapInTurns } from './own-turn.ts'
import { plural } from '../../plural.ts'

/** How texts become tokens; names and defaults are those of transformers. */
export interface EncodeOptions {
  /** A second text (or one for each text) that the model sees beside the first. */
  pair?: string | readonly string[]
  /** Add what the tokenizer puts around every text, such as bos (default true). */
  addSpecialTokens?: boolean
  /** `longest` (or true) of the texts, or `max_length` (default false). */
  padding?: boolean | 'longest' | 'max_length'
  /** `true` is `longest_first` (default false). */
  truncation?: boolean | Truncation
  /** For truncation and padding; by default the model's own. */
  maxLength?: number
  padToMultipleOf?: number
  paddingSide?: 'left' | 'right'
  /** The side where tokens are taken away. */
  truncationSide?: 'left' | 'right'
  /** Read special tokens in the text as ordinary text, as is right for what users typed (default false). */
  splitSpecialTokens?: boolean
}

/** What the tokenizer does where options say nothing. */
interface EncodeDefaults {
  place: string
  padId: number | undefined
  paddingSide: 'left' | 'right'
  truncationSide: 'left' | 'right'
  /** Infinity where the configuration does not say. */
  maxLength: number
}

/** Tokenises texts (and their pairs), cuts and pads them. */
export async function encodeRows(
  backend: Backend,
  texts: readonly string[],
  pairs: readonly string[] | undefined,
  options: EncodeOptions,
  defaults: EncodeDefaults,
): Promise<Encoding[]> {
  if (pairs !== undefined && pairs.length !== texts.length)
    throw new FettleError({
      place: 'tokenizer.encode',
      found: `${plural(texts.length, 'text')} and ${plural(pairs.length, 'pair')}`,
      expected: 'one pair for each text',
    })
  const limit = options.maxLength ?? defaults.maxLength
  const side = options.truncationSide ?? defaults.truncationSide
  const strategy = options.truncation === true ? 'longest_first' : options.truncation || undefined
  const rows = await mapInTurns(texts, (text, i) => {
    const encoding = backend.encode(text, pairs?.[i], options.addSpecialTokens ?? true)
    const inputIds = [...encoding.ids()]
    const row: Encoding = {
      inputIds,
      attentionMask: inputIds.map(() => 1),
      tokenTypeIds: encoding.typeIds(),
      offsets: encoding.offsets(),
    }
    if (strategy === undefined || inputIds.length <= limit) return row
    return select(row, keptTokens(encoding.sequences(), limit, strategy, side))
  })
  padRows(rows, paddingOf(options, defaults))
  return rows
}

function select(row: Encoding, kept: readonly number[]): Encoding {
  return {
    inputIds: kept.map((i) => row.inputIds[i]),
    attentionMask: kept.map((i) => row.attentionMask[i]),
    tokenTypeIds: kept.map((i) => row.tokenTypeIds[i]),
    offsets: kept.map((i) => row.offsets[i]),
  }
}

function paddingOf(options: EncodeOptions, defaults: EncodeDefaults): Padding | undefined {
  const { padding = false, maxLength: limit = defaults.maxLength } = options
  if (padding === false) return undefined
  if (padding === 'max_length' && limit === Infinity)
    throw new FettleError({
      place: 'tokenizer.encode',
      found: "padding 'max_length' without maxLength, and the model does not name one",
      expected: 'maxLength',
      cure: "Give maxLength, or pad to the 'longest'.",
    })
  if (defaults.padId === undefined)
    throw new FettleError({
      place: defaults.place,
      found: 'no pad token',
      expected: 'one, because padding was asked for',
      cure: 'Choose one with ensurePadToken(tokenizer).',
    })
  return {
    length: padding === 'max_length' ? limit : 'longest',
    multipleOf: options.padToMultipleOf ?? 1,
    side: options.paddingSide ?? defaults.paddingSide,
    padId: defaults.padId,
  }
}
