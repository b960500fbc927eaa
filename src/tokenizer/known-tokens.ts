import { FettleError, messageOf } from '../error.ts'
import type { Backend } from './backend.ts'
import { textOf, type TokenizerFiles } from './files.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import {
  readExtraTokens,
  readNamedTokens,
  readNumberedTokens,
  type AddedToken,
  type NamedToken,
} from './named-tokens.ts'
import { makeBackend } from './steps/make-backend.ts'
import { readTokenizerJson } from './steps/tokenizer-json.ts'

/** A token that is matched as a whole, as the tokenizer knows it now. */
export interface KnownToken {
  id: number
  special: boolean
}

/** A backend with everything that the files around tokenizer.json say applied to it. */
export interface KnownTokens {
  backend: Backend
  modelType: string
  named: Map<NamedToken, string>
  added: Map<string, KnownToken>
  /** What the configuration puts around texts, as tokenizer.json spells it; undefined where that decides itself. */
  postProcessor: JsonObject | undefined
}

/** Makes the backend as transformers would: named and numbered tokens added, bos and eos where asked for. */
export function readKnownTokens(files: TokenizerFiles): KnownTokens {
  const json = parseTokenizer(textOf(files.tokenizerJson), files.place)
  const backend = inFile(files.place, () => makeBackend(json))
  const added = new Map<string, KnownToken>()
  for (const [id, { content, special }] of backend.addedTokens()) added.set(content, { id, special })
  const named = readNamedTokens(files.config, files.specialTokensMap)
  const numbered = readNumberedTokens(files.config, files.addedTokens)
  const wanted = [
    ...numbered.map(([, token]) => token),
    ...named.values(),
    ...readExtraTokens(files.config, files.specialTokensMap),
  ]
  addTokens(
    backend,
    added,
    wanted.filter(({ content }) => !added.has(content)),
  )
  const known: KnownTokens = {
    backend,
    modelType: isJsonObject(json.model) && typeof json.model.type === 'string' ? json.model.type : 'BPE',
    named: new Map([...named].map(([name, { content }]) => [name, content])),
    added,
    postProcessor: undefined,
  }
  checkNumbers(files.place, backend, numbered)
  applyBosEos(known, files.config)
  return known
}

function parseTokenizer(text: string, place: string): JsonObject {
  try {
    return readTokenizerJson(text)
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

/** Says of an error in which folder or file it is. */
function inFile<T>(place: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof FettleError)) throw error
    throw new FettleError(
      error.problems.map((problem) => ({ ...problem, place: `${place}: ${problem.place}` })),
      { cause: error },
    )
  }
}

/** A token whose number in the files is not the one that it got would silently be another row of the model. */
function checkNumbers(place: string, backend: Backend, numbered: readonly [number, AddedToken][]): void {
  for (const [id, { content }] of numbered) {
    const found = backend.idOf(content)
    if (found !== id)
      throw new FettleError({
        place,
        found: `token ${JSON.stringify(content)} with id ${id} in the configuration, but ${found} in tokenizer.json`,
        expected: 'the same id in both',
        cure: 'The files are from different versions of the model: download them again.',
      })
  }
}

/** Adds tokens (or makes known ones special) and returns how many are new to the backend. */
export function addTokens(
  backend: Backend,
  added: Map<string, KnownToken>,
  tokens: readonly AddedToken[],
): number {
  const distinct = [...new Map(tokens.map((token) => [token.content, token])).values()]
  if (distinct.length === 0) return 0
  const count = backend.addTokens(distinct)
  for (const token of distinct) {
    const { content, special = false } = token
    const id = backend.idOf(content)
    if (id === undefined) continue
    const known = added.get(content)
    added.set(content, { id, special: special || known?.special === true })
  }
  return count
}

/**
 * Where the configuration says `add_bos_token` or `add_eos_token`, it decides what stands around a text,
 * whatever tokenizer.json says; so does transformers 5.
 */
export function applyBosEos(known: KnownTokens, config: JsonObject): void {
  const { backend, named } = known
  if (typeof config.add_bos_token !== 'boolean' && typeof config.add_eos_token !== 'boolean') return
  known.postProcessor = backend.surround(
    config.add_bos_token === true ? named.get('bos_token') : undefined,
    config.add_eos_token === true ? named.get('eos_token') : undefined,
  )
}

/**
 * A tokenizer.json that is blind to special tokens: a text that spells one out stays ordinary text. What is not in
 * the model's own vocabulary is renamed rather than left out, so that the ids of other added tokens stay.
 */
export function withoutSpecialTokens(json: JsonObject): JsonObject {
  const vocabulary = isJsonObject(json.model) ? json.model.vocab : undefined
  const inModel = (content: string) =>
    Array.isArray(vocabulary)
      ? vocabulary.some((entry) => Array.isArray(entry) && entry[0] === content)
      : isJsonObject(vocabulary) && Object.hasOwn(vocabulary, content)
  const entries: unknown[] = Array.isArray(json.added_tokens) ? json.added_tokens : []
  const added_tokens = entries.flatMap((entry, i) => {
    if (!isJsonObject(entry) || entry.special !== true || typeof entry.content !== 'string') return [entry]
    // U+FDD0 and U+FDD1 are noncharacters: no text has them.
    return inModel(entry.content) ? [] : [{ ...entry, content: `\uFDD0${i}\uFDD1` }]
  })
  return { ...json, added_tokens }
}

/** The text of tokenizer.json with the tokens that were added since it was read; cutting and padding are the caller's to decide. */
export function withAddedTokens(tokenizerJson: string, { backend, postProcessor }: KnownTokens): string {
  const json = JSON.parse(tokenizerJson) as JsonObject
  const entries = backend.addedTokens().map(([id, token]) => ({
    id,
    content: token.content,
    single_word: token.singleWord,
    lstrip: token.leftStrip,
    rstrip: token.rightStrip,
    normalized: token.normalized,
    special: token.special,
  }))
  if (postProcessor !== undefined) json.post_processor = postProcessor
  return JSON.stringify({ ...json, truncation: null, padding: null, added_tokens: entries }, null, 2)
}
