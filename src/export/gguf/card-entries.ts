import type { GgufEntry } from '../../formats/index.ts'
import { isJsonObject, type JsonObject } from '../../formats/foreign/index.ts'

type Entries = [string, GgufEntry][]

/**
 * What a model's card says of it: licence, tags, languages, and what it was made of.
 *
 * @param isOwn  whether the card is of what is exported, and not of what an adapter was trained on
 * Source: gguf-py's metadata.py, https://github.com/ggml-org/llama.cpp
 */
export function cardEntries(card: JsonObject, isOwn: boolean): Entries {
  const licence = textsOf(card['license']).join(',')
  const tags = [...textsOf(card['tags']), ...textsOf(card['pipeline_tag'])]
  const languages = [...textsOf(card['languages']), ...textsOf(card['language'])]
  return [
    ...text('general.license', licence),
    ...text('general.license.name', card['license_name']),
    ...text('general.license.link', card['license_link']),
    ...(isOwn ? sources('base_model', card['base_model'] ?? card['base_models']) : []),
    ...(isOwn ? sources('dataset', card['datasets'] ?? card['dataset']) : []),
    ...list('general.tags', tags),
    ...list('general.languages', languages),
  ]
}

/** Models or data sets that something was made of, each by its name on the Hub or its address. */
function sources(kind: string, value: unknown): Entries {
  if (value === undefined || value === null) return []
  const all = [value].flat()
  const entries = all.flatMap((each, i): Entries => {
    const parts = isJsonObject(each) ? each : partsOf(String(each))
    return Object.entries(parts).flatMap(([key, part]) => text(`general.${kind}.${i}.${key}`, part))
  })
  return [[`general.${kind}.count`, { type: 'u32', value: all.length }], ...entries]
}

const hub = 'https://huggingface.co/'

function partsOf(source: string): JsonObject {
  const isAddress = /^(https?|ssh):\/\//.test(source)
  const id = isAddress && source.startsWith(hub) ? source.slice(hub.length) : source
  const [owner, name] = id.includes('/') ? id.split('/', 2) : [undefined, id]
  if (isAddress && id === source) return { repo_url: source }
  return {
    name: titleOf(name),
    ...(owner !== undefined && { organization: titleOf(owner), repo_url: `${hub}${owner}/${name}` }),
  }
}

/** `SmolLM2 135M Instruct` of `SmolLM2-135M-instruct`: a word of small letters begins with a large one, but for versions. */
function titleOf(name: string): string {
  return name
    .split(/[-\s]+/)
    .map((word) =>
      word === word.toLowerCase() && !/^(v\d+(\.\d+)*|\d.*)$/.test(word)
        ? word.replace(/\p{L}+/gu, (letters) => letters[0].toUpperCase() + letters.slice(1))
        : word,
    )
    .join(' ')
}

/** One text, or several. */
function textsOf(value: unknown): string[] {
  return [value].flat().filter((each) => typeof each === 'string')
}

function text(key: string, value: unknown): Entries {
  return typeof value === 'string' && value !== '' ? [[key, { type: 'string', value }]] : []
}

function list(key: string, value: string[]): Entries {
  return value.length > 0 ? [[key, { type: 'list', of: 'string', value }]] : []
}
