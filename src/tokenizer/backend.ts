import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AddedToken as RustAddedToken,
  templateProcessing,
  Tokenizer as RustTokenizer,
  type AddedTokenOptions,
} from 'tokenizers'
import { FettleError, messageOf } from '../error.ts'
import type { TokenizerFiles } from './files.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import {
  readExtraTokens,
  readNamedTokens,
  parseToken,
  readNumberedTokens,
  type AddedToken,
  type NamedToken,
} from './named-tokens.ts'
import { readWordRules, type WordRules } from './word-rules.ts'

/** A token that is matched as a whole, as the tokenizer knows it now. */
export interface KnownToken {
  id: number
  special: boolean
  /** Matched wherever its characters stand in the text as given, and nothing around them. */
  isVerbatim: boolean
}

/** The Rust tokenizer with everything that the files around tokenizer.json say applied to it. */
export interface Backend {
  rust: RustTokenizer
  modelType: string
  named: Map<NamedToken, string>
  added: Map<string, KnownToken>
  /** How texts fall into words; `undefined` where they do not, or in a way not known here. */
  wordRules: WordRules | undefined
}

/** Makes the Rust tokenizer as transformers would: named and numbered tokens added, bos and eos where asked for. */
export function makeBackend(files: TokenizerFiles): Backend {
  const { json, rust } = parse(files.tokenizerJson.toString(), files.place)
  // Some files carry the settings of whoever saved them; cutting and padding are ours to decide.
  rust.disableTruncation()
  rust.disablePadding()
  const added = new Map<string, KnownToken>()
  for (const entry of Array.isArray(json.added_tokens) ? json.added_tokens : []) {
    const token = parseToken(entry)
    if (token !== undefined && typeof entry.id === 'number')
      added.set(token.content, {
        id: entry.id,
        special: token.special === true,
        isVerbatim: isVerbatim(token),
      })
  }
  const named = readNamedTokens(files.config, files.specialTokensMap)
  const numbered = readNumberedTokens(files.config, files.addedTokens)
  const wanted = [
    ...numbered.map(([, token]) => token),
    ...named.values(),
    ...readExtraTokens(files.config, files.specialTokensMap),
  ]
  addTokens(
    rust,
    added,
    wanted.filter(({ content }) => !added.has(content)),
  )
  const backend: Backend = {
    rust,
    modelType: isJsonObject(json.model) && typeof json.model.type === 'string' ? json.model.type : 'BPE',
    named: new Map([...named].map(([name, { content }]) => [name, content])),
    added,
    wordRules: readWordRules(json),
  }
  checkNumbers(files.place, backend, numbered)
  applyBosEos(backend, files.config)
  return backend
}

function parse(text: string, place: string): { json: JsonObject; rust: RustTokenizer } {
  try {
    const json: unknown = JSON.parse(text)
    if (!isJsonObject(json)) throw new Error('not a JSON object')
    return { json, rust: RustTokenizer.fromString(text) }
  } catch (error) {
    throw new FettleError(
      {
        place: `${place}: tokenizer.json`,
        found: messageOf(error),
        expected: 'a tokenizer of the Hugging Face tokenizers library',
        cure: 'Download or save the file again.',
      },
      { cause: error },
    )
  }
}

/** A token whose number in the files is not the one that it got would silently be another row of the model. */
function checkNumbers(place: string, { rust }: Backend, numbered: readonly [number, AddedToken][]): void {
  for (const [id, { content }] of numbered) {
    const found = rust.tokenToId(content)
    if (found !== id)
      throw new FettleError({
        place,
        found: `token ${JSON.stringify(content)} with id ${id} in the configuration, but ${found} in tokenizer.json`,
        expected: 'the same id in both',
        cure: 'The files are from different versions of the model: download them again.',
      })
  }
}

/** Adds tokens (or makes known ones special) and returns how many are new to the Rust library. */
export function addTokens(
  rust: RustTokenizer,
  added: Map<string, KnownToken>,
  tokens: readonly AddedToken[],
): number {
  const distinct = [...new Map(tokens.map((token) => [token.content, token])).values()]
  if (distinct.length === 0) return 0
  const count = rust.addAddedTokens(
    distinct.map(({ content, special = false, ...options }) => {
      const set: AddedTokenOptions = { normalized: !special, ...options }
      return new RustAddedToken(content, special, set)
    }),
  )
  for (const token of distinct) {
    const { content, special = false } = token
    const id = rust.tokenToId(content)
    if (id === null) continue
    const known = added.get(content)
    added.set(content, {
      id,
      special: special || known?.special === true,
      isVerbatim: isVerbatim(token) && known?.isVerbatim !== false,
    })
  }
  return count
}

function isVerbatim({ special = false, normalized = !special, ...token }: AddedToken): boolean {
  return !normalized && !token.singleWord && !token.leftStrip && !token.rightStrip
}

/**
 * Where the configuration says `add_bos_token` or `add_eos_token`, it decides what stands around a text,
 * whatever tokenizer.json says; so does transformers 5.
 */
export function applyBosEos({ rust, named }: Backend, config: JsonObject): void {
  if (typeof config.add_bos_token !== 'boolean' && typeof config.add_eos_token !== 'boolean') return
  const bos = config.add_bos_token === true ? named.get('bos_token') : undefined
  const eos = config.add_eos_token === true ? named.get('eos_token') : undefined
  const around = (sequence: string, type: number) =>
    [bos, sequence, eos].flatMap((part) => (part === undefined ? [] : [`${part}:${type}`])).join(' ')
  const specials = [bos, eos].flatMap((token): [string, number][] => {
    const id = token === undefined ? null : rust.tokenToId(token)
    return token === undefined || id === null ? [] : [[token, id]]
  })
  rust.setPostProcessor(
    templateProcessing(around('$A', 0), `${around('$A', 0)} ${around('$B', 1)}`, specials),
  )
}

/** The text of tokenizer.json for what the tokenizer is now; the binding can only write files. */
export function serialize(rust: RustTokenizer): string {
  const path = join(tmpdir(), `fettle-${randomUUID()}.json`)
  try {
    rust.save(path, true)
    return readFileSync(path, 'utf8')
  } finally {
    rmSync(path, { force: true })
  }
}

/**
 * The same tokenizer, blind to special tokens: a text that spells one out stays ordinary text. What is not in
 * the model's own vocabulary is renamed rather than left out, so that the ids of other added tokens stay.
 */
export function withoutSpecialTokens(tokenizerJson: string): RustTokenizer {
  const json = JSON.parse(tokenizerJson) as JsonObject
  const vocabulary = isJsonObject(json.model) ? json.model.vocab : undefined
  const inModel = (content: string) =>
    Array.isArray(vocabulary)
      ? vocabulary.some((entry) => Array.isArray(entry) && entry[0] === content)
      : isJsonObject(vocabulary) && Object.hasOwn(vocabulary, content)
  const entries: unknown[] = Array.isArray(json.added_tokens) ? json.added_tokens : []
  json.added_tokens = entries.flatMap((entry, i) => {
    if (!isJsonObject(entry) || entry.special !== true || typeof entry.content !== 'string') return [entry]
    // U+FDD0 and U+FDD1 are noncharacters: no text has them.
    return inModel(entry.content) ? [] : [{ ...entry, content: `\uFDD0${i}\uFDD1` }]
  })
  const rust = RustTokenizer.fromString(JSON.stringify(json))
  rust.disableTruncation()
  rust.disablePadding()
  return rust
}
