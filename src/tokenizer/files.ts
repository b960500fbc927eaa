import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError, messageOf } from '../error.ts'
import { isJsonObject, type JsonObject } from './json.ts'

/** What a tokenizer is made from, whether it came from a folder or from a GGUF file. */
export interface TokenizerFiles {
  /** Folder or file, for messages. */
  place: string
  /** tokenizer.json as bytes: its text is twice as large in memory, and rarely needed. */
  tokenizerJson: Buffer
  /** tokenizer_config.json */
  config: JsonObject
  /** special_tokens_map.json, where there is one. */
  specialTokensMap: JsonObject | undefined
  /** added_tokens.json, where there is one. */
  addedTokens: JsonObject | undefined
  /** By name; the usual one is called `default`. */
  chatTemplates: Map<string, string>
  /** Path of the sentencepiece model that older tools want beside tokenizer.json. */
  sentencePiece: string | undefined
}

/**
 * Reads a model folder's tokenizer files.
 *
 * @throws FettleError that says what is there when tokenizer.json is not, or names the broken file
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const names = await list(folder)
  if (!names.includes('tokenizer.json')) throw missing(folder, names)
  const optional = (name: string) =>
    names.includes(name) ? readObject(join(folder, name)) : Promise.resolve(undefined)
  const config = (await optional('tokenizer_config.json')) ?? {}
  return {
    place: folder,
    tokenizerJson: await readFile(join(folder, 'tokenizer.json')),
    config,
    specialTokensMap: await optional('special_tokens_map.json'),
    addedTokens: await optional('added_tokens.json'),
    chatTemplates: await readChatTemplates(folder, names, config),
    sentencePiece: names.includes('tokenizer.model') ? join(folder, 'tokenizer.model') : undefined,
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    const looksLikeHubName = /^[\w.-]+\/[\w.-]+$/.test(folder)
    throw new FettleError(
      {
        place: folder,
        found: messageOf(error),
        expected: 'a model folder or a .gguf file',
        cure: looksLikeHubName
          ? `Download it first: hf download ${folder} --local-dir ${folder}.`
          : 'Check the path of the model.',
      },
      { cause: error },
    )
  }
}

function missing(folder: string, names: readonly string[]): FettleError {
  const legacy = names.filter((name) =>
    /^(tokenizer\.model|vocab\.(json|txt)|merges\.txt|spiece\.model)$/.test(name),
  )
  const gguf = names.find((name) => name.endsWith('.gguf'))
  return new FettleError({
    place: folder,
    found: `no tokenizer.json${names.length === 0 ? ' in an empty folder' : ` beside ${names.slice(0, 12).join(', ')}`}`,
    expected: 'tokenizer.json',
    cure:
      legacy.length > 0
        ? `Convert ${legacy.join(' and ')}: AutoTokenizer.from_pretrained(folder).save_pretrained(folder) in Python.`
        : gguf === undefined
          ? 'Download the whole model folder.'
          : `Give the path of the file itself: ${join(folder, gguf)}.`,
  })
}

/** Reads a JSON file that must hold an object. */
export async function readObject(path: string): Promise<JsonObject> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (isJsonObject(value)) return value
  } catch (error) {
    throw new FettleError(
      {
        place: path,
        found: messageOf(error),
        expected: 'a JSON object',
        cure: 'Download or save the file again.',
      },
      { cause: error },
    )
  }
  throw new FettleError({ place: path, found: 'another JSON value', expected: 'a JSON object' })
}

const templateFolder = 'additional_chat_templates'

/** Files win over tokenizer_config.json, which has one template or a list of named ones. */
async function readChatTemplates(folder: string, names: readonly string[], config: JsonObject) {
  const templates = new Map<string, string>()
  if (typeof config.chat_template === 'string') templates.set('default', config.chat_template)
  for (const entry of Array.isArray(config.chat_template) ? config.chat_template : [])
    if (isJsonObject(entry) && typeof entry.name === 'string' && typeof entry.template === 'string')
      templates.set(entry.name, entry.template)
  if (names.includes('chat_template.jinja'))
    templates.set('default', await readFile(join(folder, 'chat_template.jinja'), 'utf8'))
  if (names.includes(templateFolder))
    for (const name of await readdir(join(folder, templateFolder)))
      if (name.endsWith('.jinja'))
        templates.set(
          name.slice(0, -'.jinja'.length),
          await readFile(join(folder, templateFolder, name), 'utf8'),
        )
  return templates
}
