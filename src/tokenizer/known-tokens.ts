import { FettleError, listNames, messageOf, quoteValue, type Problem } from '../error.ts'
import type { Backend, BackendEncoding } from './backend.ts'
import { textOf, type TokenizerFiles } from './files.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import type { AddedToken, NamedToken } from './named-tokens.ts'
import { readSettings, type TokenizerSettings } from './settings/settings.ts'
import { makeBackend } from './steps/make-backend.ts'
import { unreadKeys } from './steps/part-keys.ts'
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
  settings: TokenizerSettings
  /** What to tell the user of the files: keys that nothing reads, values that are not obeyed. */
  notices: readonly Problem[]
}

/** Makes the backend as transformers would: named and numbered tokens added. */
export function readKnownTokens(files: TokenizerFiles): KnownTokens {
  const json = parseTokenizer(textOf(files.tokenizerJson, `${files.place}/tokenizer.json`), files.place)
  const backend = inFile(() => makeBackend(json), `${files.place}: `)
  const added = new Map<string, KnownToken>()
  for (const [id, { content, special }] of backend.addedTokens()) added.set(content, { id, special })
  const { settings, notices } = inFile(() => readSettings(files, json))
  const { named, numbered, further } = settings
  // How a token is matched stands where it has an id; whoever names it says only that it is special.
  const byContent = new Map(numbered.map(([, token]) => [token.content, token]))
  const special = [...named.values(), ...further].map((token) => ({
    ...byContent.get(token.content),
    ...token,
  }))
  addTokens(backend, added, [
    // Where both files have a token, the configuration decides how it is matched.
    ...numbered.map(([, token]) => token),
    ...special.filter(({ content }) => !added.has(content)),
  ])
  checkNumbers(files.place, backend, numbered)
  return {
    backend,
    modelType: isJsonObject(json.model) && typeof json.model.type === 'string' ? json.model.type : 'BPE',
    named: new Map([...named].map(([name, { content }]) => [name, content])),
    added,
    settings,
    notices: [...unreadParts(json, backend, files.place), ...notices, ...aroundTexts(files, backend, named)],
  }
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

/** Keys of tokenizer.json that nothing reads, and tokens that do not get the id that stands there. */
function unreadParts(json: JsonObject, backend: Backend, folder: string): Problem[] {
  const place = `${folder}/tokenizer.json`
  const unread = unreadKeys(json)
  const entries: unknown[] = Array.isArray(json.added_tokens) ? json.added_tokens : []
  const moved = entries.flatMap((entry) => {
    const { content, id }: JsonObject = isJsonObject(entry) ? entry : {}
    const own = typeof content === 'string' && content !== '' ? backend.idOf(content) : id
    return own === id ? [] : [`${quoteValue(content)} (${String(own)} instead of ${String(id)})`]
  })
  const problems: Problem[] = []
  if (unread.length > 0)
    problems.push({ place, found: `keys that fettle does not read: ${listNames(unread)}` })
  if (moved.length > 0)
    problems.push({
      place,
      found: `added tokens that get other ids than the file says: ${listNames(moved)}`,
      expected: 'ids in the order of the list behind the vocabulary, as the tokenizers library gives them',
      cure: 'Save the tokenizer again with transformers.',
    })
  return problems
}

/** Says of an error in which folder or file it is, and what to do. */
function inFile<T>(work: () => T, before = ''): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof FettleError)) throw error
    throw new FettleError(
      error.problems.map((problem) => ({
        cure: 'Correct the file, download it again, or save the tokenizer again with transformers.',
        ...problem,
        place: `${before}${problem.place}`,
      })),
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
 * What stands around a text is tokenizer.json's to say; where the configuration has `add_bos_token` or `add_eos_token`, transformers
 * 5 leaves them unread. Files in which both say the same are many, others must be seen.
 */
function aroundTexts(
  { place, config }: TokenizerFiles,
  backend: Backend,
  named: ReadonlyMap<NamedToken, AddedToken>,
): Problem[] {
  if (typeof config.add_bos_token !== 'boolean' && typeof config.add_eos_token !== 'boolean') return []
  const ids = idsAround(backend)
  if (ids === undefined) return []
  const [first, last] = [ids.at(0), ids.at(-1)]
  const problem = (key: string, name: NamedToken, id: number | undefined): Problem[] => {
    const token = named.get(name)?.content
    const asked = config[key]
    if (token === undefined || typeof asked !== 'boolean' || asked === (backend.idOf(token) === id)) return []
    return [
      {
        place: `${place}/tokenizer_config.json`,
        found: `${key}: ${asked}, which is not obeyed`,
        expected: `${!asked}, as tokenizer.json ${asked ? 'does not put' : 'puts'} ${quoteValue(token)} ${name === 'bos_token' ? 'before' : 'behind'} each text: it decides, as in transformers 5`,
      },
    ]
  }
  return [...problem('add_bos_token', 'bos_token', first), ...problem('add_eos_token', 'eos_token', last)]
}

/** The tokens of an empty text; none where tokenizers cannot even do that, which they say when they are used. */
function idsAround(backend: Backend): ReturnType<BackendEncoding['ids']> | undefined {
  try {
    return backend.encode('', undefined, true).ids()
  } catch (error) {
    if (error instanceof FettleError) return undefined
    throw error
  }
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
export function withAddedTokens(tokenizerJson: string, { backend }: KnownTokens): string {
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
  return JSON.stringify({ ...json, truncation: null, padding: null, added_tokens: entries }, null, 2)
}
