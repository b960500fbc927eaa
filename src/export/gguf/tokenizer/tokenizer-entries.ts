import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FettleError } from '../../../error.ts'
import { isGgufName, readGguf, type GgufEntry, type GgufValue } from '../../../formats/index.ts'
import type { JsonObject } from '../../../tokenizer/index.ts'
import type { ExportSource } from '../../format.ts'
import { preTokenizerName } from './pre-tokenizer.ts'
import { readPieces } from './sentencepiece.ts'
import { nameTurnEnds, specialTokenEntries } from './special-tokens.ts'
import { readTokenizerJson, type TokenizerJson } from './tokenizer-json.ts'
import {
  addsSpace,
  byteLevelVocabulary,
  gemma4Vocabulary,
  mergedVocabulary,
  sentencePieceVocabulary,
  vocabularyEntries,
} from './vocabulary.ts'

/**
 * The entries `tokenizer.*` of a model.
 *
 * @param architecture  `general.architecture`
 * @param count  rows of the embedding: as many tokens there must be
 * @throws FettleError for a kind of tokenizer that llama.cpp would read otherwise
 */
export async function tokenizerEntries(
  source: ExportSource,
  architecture: string,
  count: number,
): Promise<Map<string, GgufEntry>> {
  const { tokenizer, model, stopSet, paths } = source
  const base = isGgufName(paths.model) ? readGguf(paths.model).metadata : undefined
  // Of a file that already has it, where the adapter brings no other one.
  if (base && tokenizer.place === paths.model) {
    const entries = copied(base)
    nameTurnEnds(entries, stopSet)
    return withTemplates(entries, tokenizer.chatTemplates)
  }
  const files = tokenizer.toFiles()
  const json = readTokenizerJson(files['tokenizer.json'])
  const config = JSON.parse(files['tokenizer_config.json'] ?? '{}') as JsonObject
  const special = specialTokenEntries({ tokenizer: json, config, model: model.config.raw, stopSet })
  const { entries, last } = await kindEntries(source, { json, config, architecture, count, base })
  return withTemplates(new Map([...entries, ...special, ...last]), tokenizer.chatTemplates)
}

interface Kind {
  json: TokenizerJson
  config: JsonObject
  architecture: string
  count: number
  base: ReadonlyMap<string, GgufValue> | undefined
}

/** Model, pre-tokenizer and vocabulary; `last` counts above what the files say of special tokens. */
async function kindEntries(
  { tokenizer, paths }: ExportSource,
  { json, config, architecture, count, base }: Kind,
): Promise<{ entries: [string, GgufEntry][]; last: [string, GgufEntry][] }> {
  const model = (name: string): [string, GgufEntry] => ['tokenizer.ggml.model', text(name)]
  const pre = (name: string): [string, GgufEntry] => ['tokenizer.ggml.pre', text(name)]
  const space = (value: boolean): [string, GgufEntry] => [
    'tokenizer.ggml.add_space_prefix',
    { type: 'bool', value },
  ]
  if (json.type !== 'BPE')
    throw new FettleError({
      place: `${tokenizer.place}: model.type`,
      found: json.type,
      expected: 'BPE, the only kind that language models of llama.cpp have',
      cure: 'Serve this model from safetensors or ONNX.',
    })
  if (architecture === 'gemma4' && json.hasByteFallback && !addsSpace(json))
    return {
      entries: [
        model('gemma4'),
        ...vocabularyEntries(gemma4Vocabulary(json, count, tokenizer.place), json.merges),
      ],
      last: [space(false), ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }]],
    }
  if (!json.hasByteFallback) {
    const name = await preTokenizerName(tokenizer, json.raw, textOf(base?.get('tokenizer.ggml.pre')))
    const vocabulary = await byteLevelVocabulary(json, tokenizer, count)
    return {
      entries: [model('gpt2'), pre(name), ...vocabularyEntries(vocabulary, json.merges)],
      last: withoutBeginning(architecture, count),
    }
  }
  const file = [paths.adapter, paths.model]
    .filter((folder) => folder !== undefined)
    .map((folder) => join(folder, 'tokenizer.model'))
    .find(existsSync)
  const vocabulary =
    file === undefined
      ? mergedVocabulary(json, count, tokenizer.place)
      : sentencePieceVocabulary(await readPieces(file), json, count)
  const isSaid = typeof config['add_prefix_space'] === 'boolean'
  const adds = addsSpace(json)
  return {
    entries: [
      ...(isSaid || !adds ? [space(adds)] : []),
      model('llama'),
      pre('default'),
      ...vocabularyEntries(vocabulary, []),
    ],
    last: [],
  }
}

/** llama.cpp’s converter takes a Llama with so many tokens for a Granite, which has no beginning of text. */
function withoutBeginning(architecture: string, count: number): [string, GgufEntry][] {
  const isOne = count === 49_152 && ['llama', 'granite', 'smollm3', 'mistral3'].includes(architecture)
  return isOne ? [['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }]] : []
}

/** The chat templates: the usual one, and others by name. */
function withTemplates(
  entries: Map<string, GgufEntry>,
  templates: ReadonlyMap<string, string>,
): Map<string, GgufEntry> {
  const named = [...templates]
    .filter(([name]) => name !== 'default')
    .map(([name, source]) => [name.replaceAll(/[^a-zA-Z0-9]/g, '_'), source] as const)
  for (const [name, source] of named) entries.set(`tokenizer.chat_template.${name}`, text(source))
  if (named.length > 0)
    entries.set('tokenizer.chat_templates', {
      type: 'list',
      of: 'string',
      value: named.map(([name]) => name),
    })
  const usual = templates.get('default')
  if (usual !== undefined) entries.set('tokenizer.chat_template', text(usual))
  return entries
}

/** Entries of a file as it has them, but for its templates. */
function copied(metadata: ReadonlyMap<string, GgufValue>): Map<string, GgufEntry> {
  const entries = new Map<string, GgufEntry>()
  for (const [key, value] of metadata)
    if (key.startsWith('tokenizer.') && !key.startsWith('tokenizer.chat_template'))
      entries.set(key, entryOf(key, value))
  return entries
}

function entryOf(key: string, value: GgufValue): GgufEntry {
  if (typeof value === 'string') return text(value)
  if (typeof value === 'boolean') return { type: 'bool', value }
  if (typeof value === 'number' || typeof value === 'bigint') return { type: 'u32', value }
  const isText = typeof value[0] === 'string'
  return { type: 'list', of: isText ? 'string' : key.endsWith('scores') ? 'f32' : 'i32', value }
}

const text = (value: string): GgufEntry => ({ type: 'string', value })
const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined)
