import type { Backend, BackendEncoding } from '../backend.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import { makeAddedTokens, readAddedTokens, type AddedTokens } from './added-tokens.ts'
import { decoderReaders } from './decoders.ts'
import { readBpe } from './models/bpe.ts'
import type { Model } from './models/model.ts'
import { readUnigram } from './models/unigram.ts'
import { readWordLevel, readWordPiece } from './models/word-piece.ts'
import { normalizerReaders } from './normalizers.ts'
import { readPart, unsupported, type Readers } from './options.ts'
import { postProcessorReaders, type PostProcessor } from './post-processors.ts'
import { preTokenizerReaders, type PreTokenizer } from './pre-tokenizers.ts'
import { concatLists, emptyList, type TokenList } from './token-list.ts'
import { checkKnown } from './unicode.ts'

const modelReaders: Readers<Model> = {
  BPE: readBpe,
  Unigram: readUnigram,
  WordPiece: readWordPiece,
  WordLevel: readWordLevel,
}

/**
 * The backend that is written in JavaScript, for where the Rust library does not run.
 *
 * @throws FettleError for a tokenizer that has parts which are not written here
 */
export function makeJavaScriptBackend(tokenizerJson: string): Backend {
  const json: unknown = JSON.parse(tokenizerJson)
  if (!isJsonObject(json)) throw unsupported('its value', 'no object', 'the parts of a tokenizer')
  const optional = <T>(key: string, readers: Readers<T>): T | undefined =>
    json[key] === null || json[key] === undefined ? undefined : readPart(json[key], key, readers)
  const normalize = optional('normalizer', normalizerReaders) ?? ((text) => text)
  const cut: PreTokenizer = optional('pre_tokenizer', preTokenizerReaders) ?? ((text) => [text])
  const decode = optional('decoder', decoderReaders)
  let finish: PostProcessor = optional('post_processor', postProcessorReaders) ?? ((lists) => lists)
  const model = readPart(withType(json.model), 'model', modelReaders)
  const { vocabulary } = model
  const added = makeAddedTokens(vocabulary, normalize)
  added.add(readAddedTokens(json.added_tokens))

  const idOf = (token: string): number | undefined => added.idOf(token) ?? vocabulary.ids.get(token)
  const tokenOf = (id: number): string | undefined => added.tokenOf(id) ?? vocabulary.tokens.get(id)
  const tokenize = (text: string, sequence: 0 | 1): TokenList =>
    tokenizeText(text, sequence, { added, cut, model })

  return {
    async encode(texts, pairs, addSpecialTokens) {
      return texts.map((text, i) => {
        const lists = [tokenize(text, 0)]
        if (pairs !== undefined) lists.push(tokenize(pairs[i], 1))
        return readList(concatLists(finish(lists, addSpecialTokens)))
      })
    },
    decode: (tokens) => decode?.(tokens).join('') ?? tokens.join(' '),
    idOf,
    tokenOf,
    size(withAdded) {
      const others = added.entries().filter(([, { content }]) => !vocabulary.ids.has(content))
      return vocabulary.size + (withAdded ? others.length : 0)
    },
    addTokens: added.add,
    surround(before, after) {
      json.post_processor = templateAround(before, after, idOf)
      finish = readPart(json.post_processor, 'post_processor', postProcessorReaders)
    },
    serialize() {
      const entries = added.entries().map(([id, token]) => ({
        id,
        content: token.content,
        single_word: token.singleWord,
        lstrip: token.leftStrip,
        rstrip: token.rightStrip,
        normalized: token.normalized,
        special: token.special,
      }))
      return JSON.stringify({ ...json, truncation: null, padding: null, added_tokens: entries }, null, 2)
    },
  }
}

/** Older files do not say what their model is. */
function withType(model: unknown): unknown {
  if (!isJsonObject(model) || model.type !== undefined) return model
  return { ...model, type: 'merges' in model ? 'BPE' : Array.isArray(model.vocab) ? 'Unigram' : undefined }
}

function tokenizeText(
  given: string,
  sequence: 0 | 1,
  { added, cut, model }: { added: AddedTokens; cut: PreTokenizer; model: Model },
): TokenList {
  // Half a surrogate pair is no character; the Rust library gets U+FFFD for it as well.
  const text = given.replaceAll(/\p{Cs}/gu, '\ufffd')
  checkKnown(text)
  const list = emptyList(text)
  const push = (id: number, token: string, start: number, end: number): void => {
    list.ids.push(id)
    list.tokens.push(token)
    list.typeIds.push(sequence)
    list.offsets.push([start, end])
    list.sequences.push(sequence)
  }
  for (const part of added.extract(text)) {
    const { starts, ends } = part.text
    if (part.id !== undefined) push(part.id, part.text.text, starts[0], ends[ends.length - 1])
    else
      for (const word of cut(part.text))
        for (const { id, start, end } of model.tokenize(word.text))
          push(id, model.vocabulary.tokens.get(id) ?? '', word.starts[start], word.ends[end - 1])
  }
  return list
}

function readList({ ids, typeIds, offsets, sequences }: ReturnType<typeof concatLists>): BackendEncoding {
  return {
    ids: () => ids,
    typeIds: () => typeIds,
    sequences: () => sequences,
    offsets: () => offsets,
    tokenAt(offset) {
      const token = offsets.findIndex(
        ([start, end], i) => sequences[i] === 0 && start <= offset && offset < end,
      )
      return token === -1 ? undefined : token
    },
    startOf: (token) => (sequences.at(token) === null ? undefined : offsets.at(token)?.[0]),
  }
}

/** The post-processor that puts tokens around each text. */
function templateAround(
  before: string | undefined,
  after: string | undefined,
  idOf: (token: string) => number | undefined,
): JsonObject {
  const place = (token: string | undefined, type: number) =>
    token === undefined ? [] : [{ SpecialToken: { id: token, type_id: type } }]
  const around = (id: string, type: number) => [
    ...place(before, type),
    { Sequence: { id, type_id: type } },
    ...place(after, type),
  ]
  const specials = [before, after].flatMap((token) =>
    token === undefined ? [] : [[token, { id: token, ids: [idOf(token)], tokens: [token] }] as const],
  )
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(specials),
  }
}
