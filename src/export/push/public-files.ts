import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { isJsonObject, parseJsonObject, type JsonObject } from '../../formats/foreign/index.ts'
import { hashFile } from '../../formats/index.ts'
import type { ChosenFiles } from './choose-files.ts'

/** A file as it goes. */
export interface FileToPush {
  /** In the repository, and in the folder. */
  path: string
  bytes: number
  sha256: string
  /** What is sent in place of the file's own bytes, and why. */
  content?: string
  change?: string
}

/**
 * The files as others may see them: without paths of this machine and rows of data, unless a file was asked for by name.
 *
 * @param base  the base model's name on the Hub
 */
export async function publicFiles(
  { folder, files }: ChosenFiles,
  base: string | undefined,
  include: readonly string[],
): Promise<FileToPush[]> {
  return Promise.all(
    files.map(async (path): Promise<FileToPush> => {
      const place = join(folder, path)
      const rewrite = include.includes(path) ? undefined : rewrites.find(([pattern]) => pattern.test(path))
      if (rewrite === undefined) return asItIs(path, place)
      const [, change, changed] = rewrite
      const text = await readFile(place, 'utf8')
      const value = parseJsonObject(text, place)
      const result = changed(value, base)
      if (JSON.stringify(result) === JSON.stringify(value)) return asItIs(path, place)
      return { ...written(path, `${JSON.stringify(result, null, 2)}\n`), change }
    }),
  )
}

async function asItIs(path: string, place: string): Promise<FileToPush> {
  return { path, bytes: (await stat(place)).size, sha256: await hashFile(place) }
}

/** A file that is not here. */
export function written(path: string, content: string): FileToPush {
  const sha256 = createHash('sha256').update(content).digest('hex')
  return { path, bytes: Buffer.byteLength(content), sha256, content }
}

type Rewrite = (value: JsonObject, base: string | undefined) => JsonObject

const rewrites: readonly (readonly [RegExp, string, Rewrite])[] = [
  [/^adapter_config\.json$/, 'names the base model as the Hub does', namesBase],
  [/^(config|tokenizer_config)\.json$/, 'without a path of this machine', withoutPath],
  [/(^|\.)certificate\.json$/, 'without rows of data and paths of this machine', withoutRows],
]

function namesBase(value: JsonObject, base: string | undefined): JsonObject {
  const isPeft = 'base_model_name_or_path' in value || 'peft_type' in value
  return isPeft && base !== undefined ? { ...value, base_model_name_or_path: base } : value
}

/** Where a model was loaded from, as older versions of transformers wrote it down. */
function withoutPath(value: JsonObject, base: string | undefined): JsonObject {
  const local = ['_name_or_path', 'name_or_path'].filter((key) => isLocal(value[key]))
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, old]) =>
      local.includes(key) ? (base === undefined ? [] : [[key, base]]) : [[key, old]],
    ),
  )
}

/** Whether a name is a place of this machine, which nobody else has. */
export function isLocal(name: unknown): boolean {
  return (
    typeof name === 'string' && name !== '' && (isAbsolute(name) || /^[.~]|\\/.test(name) || existsSync(name))
  )
}

/** The numbers and hashes of a certificate: its rows are prompts and answers of the user's data. */
function withoutRows(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).map(([key, old]) => [
      key,
      key === 'rows' ? [] : key === 'path' && typeof old === 'string' ? nameOf(old) : cleaned(old),
    ]),
  )
}

/** Folders of this machine in a sentence. */
const folders = /(^|[\s'"`(])(?:[A-Za-z]:)?(?:[\\/][^\s'"`;:,\\/]+)*[\\/](?=[^\s\\/])/g

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(folders, '$1')
  if (Array.isArray(value)) return value.map(cleaned)
  return isJsonObject(value) ? withoutRows(value) : value
}

function nameOf(path: string): string {
  return path.split(/[\\/]/).findLast((name) => name !== '') ?? path
}
