import type { Problem } from '../../error.ts'
import { isJsonObject, readForeign, type JsonObject } from '../../formats/foreign/index.ts'
import type { TokenizerFiles } from '../files.ts'
import { namedTokens, parseToken, type AddedToken, type NamedToken } from '../named-tokens.ts'
import { tokenizerClass } from './classes.ts'
import { addedTokensKeys, modelTokens, specialTokensMapKeys, tokenizerConfigKeys } from './keys.ts'
import { readSections } from './sections.ts'

/** What the files around tokenizer.json decide, with the defaults of the class of transformers that wrote them. */
export interface TokenizerSettings {
  /** Tokens by their role; of one that was written as text nothing else is known. */
  named: Map<NamedToken, AddedToken>
  /** Further special tokens, in the order in which they are added. */
  further: AddedToken[]
  /** Tokens with the ids that they must get, in the order of ids. */
  numbered: [id: number, token: AddedToken][]
  paddingSide: 'left' | 'right'
  truncationSide: 'left' | 'right'
  /** Infinity where there is no limit. */
  maxLength: number
  /** Whether decoded texts lose the space before punctuation, where they are not made of bytes. */
  cleansUp: boolean
}

/** Beyond this a configuration means "no limit"; transformers writes 10^30. */
const noLimit = 1e9

/**
 * Reads tokenizer_config.json, added_tokens.json and, where the first has no `added_tokens_decoder`, special_tokens_map.json, as
 * transformers does: files of before its version 5 say everything twice.
 *
 * @param json  the object of tokenizer.json, whose padding and truncation give defaults
 * @returns     what to tell the user of keys that are not read or not obeyed, too
 * @throws FettleError that lists every value that its key cannot have, and what would change results without being obeyed
 */
export function readSettings(
  files: TokenizerFiles,
  json: JsonObject,
): { settings: TokenizerSettings; notices: readonly Problem[] } {
  const { place, config } = files
  const own = read(tokenizerConfigKeys, config, `${place}/tokenizer_config.json`)
  const isComplete = own.values.added_tokens_decoder !== undefined
  const map = read(specialTokensMapKeys, files.specialTokensMap ?? {}, `${place}/special_tokens_map.json`)
  const addedTokens = files.addedTokens ?? {}
  const added = readForeign(addedTokensKeys(addedTokens), addedTokens, `${place}/added_tokens.json`)
  const raw = isComplete ? config : { ...config, ...files.specialTokensMap }

  const sections = readSections(json, `${place}/tokenizer.json`)
  const { padding, truncation } = sections.values
  const { modelType, tokenizerClass: elsewhere } = files.model ?? {}
  const { values } = own
  const usual = tokenizerClass(values.tokenizer_class ?? elsewhere, modelType, hasByteLevel(json))
  const defaults = { pad_token: padding?.pad_token, ...usual.named }
  const named = new Map<NamedToken, AddedToken>()
  for (const name of namedTokens) {
    const token = parseToken(raw[name] === undefined ? defaults[name] : raw[name])
    if (token !== undefined && token.content !== '') named.set(name, { ...token, special: true })
  }
  const limit = values.model_max_length ?? values.max_len ?? Infinity
  return {
    settings: {
      named,
      further: [
        ...furtherTokens(raw),
        ...(usual.further ?? []).map((content) => ({ content, special: true })),
      ],
      numbered: numberedTokens(values.added_tokens_decoder, added.values, [...named.values()]),
      paddingSide: values.padding_side ?? (padding ? sideOf(padding.direction) : usual.paddingSide),
      truncationSide: values.truncation_side ?? sideOf(truncation?.direction),
      maxLength: limit < noLimit ? limit : Infinity,
      cleansUp: values.clean_up_tokenization_spaces === true,
    },
    notices: [
      ...sections.notices,
      ...own.notices,
      ...map.notices,
      ...added.notices,
      ...(isComplete ? differences(config, files.specialTokensMap ?? {}, place) : []),
    ],
  }
}

/** Reads a file in which tokens may have names that only a model knows. */
function read<Keys extends typeof tokenizerConfigKeys | typeof specialTokensMapKeys>(
  keys: Keys,
  raw: JsonObject,
  place: string,
) {
  return readForeign<Keys['obeyed']>(
    { ...keys, harmless: [...keys.harmless, ...modelTokens(raw)] },
    raw,
    place,
  )
}

/**
 * Those that only a model has names of, then `extra_special_tokens` of transformers 5 or, where that lists none,
 * `additional_special_tokens` of before. One that is written as an object says itself whether it is special.
 */
function furtherTokens(raw: JsonObject): AddedToken[] {
  const extra: unknown[] = Array.isArray(raw.extra_special_tokens) ? raw.extra_special_tokens : []
  const list = extra.length > 0 ? extra : raw.additional_special_tokens
  const entries = [
    ...modelTokens(raw).map((key) => raw[key]),
    ...valuesOf(raw.extra_special_tokens),
    ...valuesOf(list),
  ]
  return [...new Set(entries)].flatMap((entry) => {
    const token = parseToken(entry)
    if (token === undefined || token.content === '') return []
    return [{ ...token, special: token.special ?? !(isJsonObject(entry) && '__type' in entry) }]
  })
}

function valuesOf(list: unknown): unknown[] {
  return Array.isArray(list) ? list : isJsonObject(list) ? Object.values(list) : []
}

/** Of added_tokens.json only names are special. */
function numberedTokens(
  decoder: Readonly<Record<string, unknown>> = {},
  addedTokens: Readonly<Record<string, number>>,
  named: readonly AddedToken[],
): [number, AddedToken][] {
  const found = new Map<number, AddedToken>()
  for (const [content, id] of Object.entries(addedTokens))
    found.set(id, { content, special: named.some((token) => token.content === content) })
  for (const [id, entry] of Object.entries(decoder)) {
    const token = parseToken(entry)
    if (token !== undefined) found.set(Number(id), token)
  }
  return [...found].toSorted(([a], [b]) => a - b)
}

const sideOf = (direction: string | undefined): 'left' | 'right' => (direction === 'Left' ? 'left' : 'right')

/** Whether a part of tokenizer.json spells bytes, as transformers looks for it. */
function hasByteLevel(json: JsonObject): boolean {
  return JSON.stringify([json.normalizer, json.pre_tokenizer]).includes('"ByteLevel"')
}

/** Roles that special_tokens_map.json gives to other tokens than the configuration, which decides alone. */
function differences(config: JsonObject, map: JsonObject, place: string): Problem[] {
  return namedTokens.flatMap((name): Problem[] => {
    const token = parseToken(map[name])?.content
    const own = parseToken(config[name])?.content
    if (token === undefined || token === own) return []
    return [
      {
        place: `${place}/special_tokens_map.json`,
        found: `${name}: ${JSON.stringify(token)}, which is not obeyed`,
        expected: `what tokenizer_config.json says (${own === undefined ? 'none' : JSON.stringify(own)}): it has added_tokens_decoder, so that it decides alone, as in transformers 5`,
      },
    ]
  })
}
