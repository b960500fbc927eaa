import { clipText, FettleError, quoteValue, type Problem } from '../../error.ts'
import { stepBudget } from '../../patterns/index.ts'
import type { Backend } from '../backend.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import type { AddedToken } from '../named-tokens.ts'
import { makeAddedTokens, readAddedTokens } from './added-tokens.ts'
import type { Cut } from './cut.ts'
import { decoderReaders, type Decoder } from './decoders.ts'
import { makeEncoding } from './encoding.ts'
import { readBpe } from './models/bpe.ts'
import type { Model } from './models/model.ts'
import { readUnigram } from './models/unigram.ts'
import { readWordLevel, readWordPiece } from './models/word-piece.ts'
import { normalizerReaders, type Normalizer } from './normalizers.ts'
import { collect, mostProblems, problemAt, readPart, unsupported, type Readers } from './options.ts'
import { tokenizerKeys } from './part-keys.ts'
import { postProcessorReaders, type PostProcessor } from './post-processors.ts'
import { readCutting, type Cutting } from './pre-tokenizers.ts'
import { makeTokenCollector, type TokenList } from './token-list.ts'
import { checkKnown } from './unicode.ts'
import { makeWordStore } from './words.ts'

const modelReaders: Readers<Model> = {
  BPE: readBpe,
  Unigram: readUnigram,
  WordPiece: readWordPiece,
  WordLevel: readWordLevel,
}

/** What a tokenizer.json says, read. */
interface Steps extends Cutting {
  normalize: Normalizer | undefined
  model: Model
  finish: PostProcessor
  decode: Decoder | undefined
  addedTokens: AddedToken[]
}

/**
 * Makes the steps of a tokenizer.json.
 *
 * @param json  its object, which is not kept
 * @throws FettleError for a tokenizer that has parts which are not known
 */
export function makeBackend(json: JsonObject): Backend {
  return backendOf(readSteps(json))
}

function readSteps(json: JsonObject): Steps {
  const optional = <T>(key: string, read: (part: unknown) => T): T | undefined =>
    json[key] === null || json[key] === undefined ? undefined : collect(problems, () => read(json[key]))
  const problems = problemsOfFile(json)
  const read = {
    normalize: optional('normalizer', (part) => readPart(part, 'normalizer', normalizerReaders)),
    cutting: optional('pre_tokenizer', readCutting) ?? uncut,
    model: collect(problems, () => readPart(withType(json.model), 'model', modelReaders)),
    finish: optional('post_processor', (part) => readPart(part, 'post_processor', postProcessorReaders)),
    decode: optional('decoder', (part) => readPart(part, 'decoder', decoderReaders)),
    addedTokens: collect(problems, () => readAddedTokens(json.added_tokens)),
  }
  const { cutting, model, finish = unchanged, addedTokens, ...others } = read
  if (model === undefined || addedTokens === undefined || problems.length > 0) throw new FettleError(problems)
  return { ...others, ...cutting, model, finish, addedTokens }
}

function backendOf({ normalize, cut, spellsBytes, model, finish, decode, addedTokens }: Steps): Backend {
  const { vocabulary } = model
  const added = makeAddedTokens(vocabulary, normalize)
  added.add(addedTokens)
  const words = makeWordStore(model, spellsBytes)
  const collector = makeTokenCollector()
  const idOf = (token: string): number | undefined => added.idOf(token) ?? vocabulary.ids.get(token)
  const spellingOf = (id: number): string => vocabulary.tokenOf(id) ?? ''

  const tokenize = (given: string, sequence: 0 | 1): TokenList => {
    // Half a surrogate pair is no character; the Rust library gets U+FFFD for it as well.
    const text = /[\ud800-\udfff]/.test(given) ? given.replaceAll(/\p{Cs}/gu, '\ufffd') : given
    checkKnown(text)
    collector.clear()
    words.tidy()
    const budget = stepBudget(text.length)
    for (const { text: part, start, end, id } of added.extract(text)) {
      if (id !== undefined) {
        collector.addFound(part, start, end, id)
        continue
      }
      const { text: changed, borders } = cut({ text: part, borders: [start, end], budget })
      for (let i = 0; i < borders.length; i += 2) {
        const place = words.find(changed.text, borders[i], borders[i + 1])
        collector.add(changed, borders[i], words.tokens, place)
      }
    }
    return collector.list(text, sequence, spellingOf)
  }

  return {
    encode(text, pair, addSpecialTokens) {
      const lists = [tokenize(text, 0)]
      if (pair !== undefined) lists.push(tokenize(pair, 1))
      return makeEncoding(finish(lists, addSpecialTokens))
    },
    decode: (tokens) => decode?.(tokens).join('') ?? tokens.join(' '),
    idOf,
    tokenOf: (id) => added.tokenOf(id) ?? vocabulary.tokenOf(id),
    size(withAdded) {
      const others = added.entries().filter(([, { content }]) => vocabulary.ids.get(content) === undefined)
      return vocabulary.size + (withAdded ? others.length : 0)
    },
    addTokens: added.add,
    addedTokens: added.entries,
  }
}

/** What the Rust library refuses of the file itself. */
function problemsOfFile(json: JsonObject): Problem[] {
  const odd = Object.keys(json).filter((key) => !tokenizerKeys.includes(key))
  return [
    ...odd
      .slice(0, mostProblems)
      .map((key) => problemAt(clipText(key), quoteValue(json[key]), tokenizerKeys.join(', '))),
    ...(json.version === undefined || json.version === '1.0'
      ? []
      : [problemAt('version', quoteValue(json.version), '1.0')]),
  ]
}

const unchanged = <T>(same: T): T => same
const uncut: Cutting = { cut: (cut: Cut) => cut, spellsBytes: false }

/** Older files do not say what their model is. */
function withType(model: unknown): unknown {
  if (!isJsonObject(model)) throw unsupported('model', quoteValue(model), 'an object')
  if (model.type !== undefined) return model
  return { ...model, type: 'merges' in model ? 'BPE' : Array.isArray(model.vocab) ? 'Unigram' : undefined }
}
