import { FettleError } from '../error.ts'
import { parseJsonObject, refuseWideText } from '../formats/foreign/index.ts'
import { isJsonObject, type JsonObject } from './json.ts'

/** What a tokenizer is made from, whether it came from a folder, from a GGUF file or from memory. */
export interface TokenizerFiles {
  /** Folder or file, for messages. */
  place: string
  /** tokenizer.json; as bytes where it was read as bytes: its text is twice as large in memory, and rarely needed. */
  tokenizerJson: string | Uint8Array
  /** tokenizer_config.json */
  config: JsonObject
  /** special_tokens_map.json, where there is one. */
  specialTokensMap: JsonObject | undefined
  /** added_tokens.json, where there is one. */
  addedTokens: JsonObject | undefined
  /** By name; the usual one is called `default`. */
  chatTemplates: Map<string, string>
  /** What config.json beside them says of the tokenizer's class, where there is one. */
  model?: { modelType?: string; tokenizerClass?: string }
}

/** The files of a tokenizer by name, each as its text or its UTF-8 bytes. Only tokenizer.json must be there. */
export interface TokenizerFileContents {
  'tokenizer.json': string | Uint8Array
  'tokenizer_config.json'?: string | Uint8Array | undefined
  'special_tokens_map.json'?: string | Uint8Array | undefined
  'added_tokens.json'?: string | Uint8Array | undefined
  'chat_template.jinja'?: string | Uint8Array | undefined
  [template: `additional_chat_templates/${string}.jinja`]: string | Uint8Array | undefined
}

/** The names of a tokenizer's files, but for further chat templates. */
export const tokenizerFileNames = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
] as const

/** Where further chat templates lie, each as `NAME.jinja`. */
export const templateFolder = 'additional_chat_templates'

/**
 * What a tokenizer is made from, of the files' contents.
 *
 * @param place  where they came from, for error messages
 * @throws FettleError that names the broken, missing or unknown file
 */
export function readFileContents(contents: TokenizerFileContents, place: string): TokenizerFiles {
  const tokenizerJson: string | Uint8Array | undefined = contents['tokenizer.json']
  const names: readonly string[] = tokenizerFileNames
  const unknown = Object.keys(contents).find(
    (name) => !names.includes(name) && templateName(name) === undefined,
  )
  if (tokenizerJson === undefined || unknown !== undefined)
    throw new FettleError({
      place,
      found: unknown === undefined ? 'no tokenizer.json' : `a file '${unknown}'`,
      expected: `tokenizer.json and, where the model has them, ${names.slice(1).join(', ')} and ${templateFolder}/NAME.jinja`,
    })
  const object = (name: 'tokenizer_config.json' | 'special_tokens_map.json' | 'added_tokens.json') => {
    const content = contents[name]
    return content === undefined
      ? undefined
      : parseJsonObject(textOf(content, `${place}/${name}`), `${place}/${name}`)
  }
  const config = object('tokenizer_config.json') ?? {}
  return {
    place,
    tokenizerJson,
    config,
    specialTokensMap: object('special_tokens_map.json'),
    addedTokens: object('added_tokens.json'),
    chatTemplates: readChatTemplates(contents, config, place),
  }
}

/**
 * Text of UTF-8 bytes, with the byte order mark if there is one.
 *
 * @throws FettleError at other bytes: what stands in their place would be taken for the file's
 */
export function textOf(content: string | Uint8Array, place = 'tokenizer.json'): string {
  if (typeof content === 'string') return content
  refuseWideText(content, place)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch (error) {
    throw new FettleError(
      {
        place,
        found: 'bytes that are not UTF-8',
        expected: 'UTF-8',
        cure: 'Download the file again, or convert it with iconv.',
      },
      { cause: error },
    )
  }
}

/** Files win over tokenizer_config.json, which has one template or a list of named ones. */
function readChatTemplates(
  contents: TokenizerFileContents,
  config: JsonObject,
  place: string,
): Map<string, string> {
  const templates = new Map<string, string>()
  if (typeof config.chat_template === 'string') templates.set('default', config.chat_template)
  for (const entry of Array.isArray(config.chat_template) ? config.chat_template : [])
    if (isJsonObject(entry) && typeof entry.name === 'string' && typeof entry.template === 'string')
      templates.set(entry.name, entry.template)
  // Odd ones are refused with the rest of the configuration.
  if (isJsonObject(config.chat_template))
    for (const [name, source] of Object.entries(config.chat_template))
      if (typeof source === 'string') templates.set(name, source)
  const usual = contents['chat_template.jinja']
  if (usual !== undefined) templates.set('default', textOf(usual, `${place}/chat_template.jinja`))
  for (const [file, content] of Object.entries<string | Uint8Array | undefined>({ ...contents })) {
    const name = templateName(file)
    if (name !== undefined && content !== undefined) templates.set(name, textOf(content, `${place}/${file}`))
  }
  return templates
}

function templateName(file: string): string | undefined {
  return new RegExp(`^${templateFolder}/(.+)\\.jinja$`).exec(file)?.[1]
}
