import type { Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { clipText, FettleError } from '../../error.ts'
import { isJsonObject, parseJsonObject } from '../../formats/foreign/index.ts'
import { ggufPartName, ggufPartOf, hasWildcards, isGgufName, matchesGlob } from '../../formats/index.ts'
import { filesIn } from '../files-in.ts'

/** A file of the folder that stays here. */
export interface LeftOut {
  path: string
  why: string
}

/** What of a folder is a model. */
export interface ChosenFiles {
  /** That all names are relative to. */
  folder: string
  /** With `/` between names, in their order. */
  files: readonly string[]
  leftOut: readonly LeftOut[]
  kind: ModelKind
  /** Name of what was certified of it. */
  certificate: string | undefined
}

/** What is pushed: who loads it, and how. */
export type ModelKind = 'adapter' | 'model' | 'gguf' | 'ollama' | 'onnx' | 'mlx-adapter'

/** What models, adapters and tokenizers are made of. */
const parts: readonly string[] = [
  'README.md',
  'LICENSE*',
  'LICENCE*',
  'NOTICE*',
  'config.json',
  'generation_config.json',
  'adapter_config.json',
  'adapter_model*.safetensors',
  'adapters.safetensors',
  'model*.safetensors',
  'model*.safetensors.index.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'chat_template.jinja',
  'additional_chat_templates/*.jinja',
  'onnx/*.onnx',
  'onnx/*.onnx_data*',
  '*.gguf',
  'Modelfile',
  'certificate.json',
  '*.certificate.json',
]

/** Why others are left out, where more can be said than that they are no part of a model. */
const reasons: readonly (readonly [string, string])[] = [
  ['certificate.html', 'has evaluation rows in it'],
  ['*.certificate.html', 'has evaluation rows in it'],
  ['events.jsonl', 'has training data in it'],
  ['report.html', 'has training data in it'],
  ['run.json', 'has paths of this machine in it; the card says what matters'],
  ['optimizer.safetensors', 'goes on training, and nothing else'],
  ['trainer_state.json', 'goes on training, and nothing else'],
  ['SHA256SUMS', 'is of the folder as it is here'],
  ['checkpoint-*/**', 'a checkpoint'],
  ['diverged-*/**', 'a checkpoint'],
]

const notAPart = 'no part of a model'

/**
 * Chooses what goes of a folder, or a GGUF file with its parts and its certificate.
 *
 * @param include  names and patterns of what goes besides
 * @throws FettleError where there is no model, or nothing that a pattern of `include` names
 */
export async function chooseFiles(path: string, include: readonly string[] = []): Promise<ChosenFiles> {
  const isFile = (await statOf(path)).isFile()
  if (isFile && !isGgufName(path))
    throw new FettleError({ place: path, found: 'a file', expected: 'a folder or a .gguf file' })
  const folder = isFile ? dirname(path) : path
  const certificate = await certificateIn(folder, isFile ? basename(path) : undefined)
  const wanted = isFile ? partsOfFile(basename(path), certificate) : parts
  const all = await filesIn(folder)
  const unseen = include.filter((pattern) => !all.some((file) => matches(file, pattern)))
  if (unseen.length > 0)
    throw new FettleError(
      unseen.map((pattern) => ({
        place: `include: ${pattern}`,
        found: 'no such file',
        expected: `a file in ${folder}, by its name or a pattern`,
      })),
    )
  const goes = (file: string): boolean => [...wanted, ...include].some((pattern) => matches(file, pattern))
  const files = all.filter(goes)
  const leftOut = isFile ? [] : all.filter((file) => !goes(file)).map(leaveOut)
  const kind = kindOf(files)
  if (kind === undefined)
    throw new FettleError({
      place: path,
      found: leftOut.length === 0 ? 'an empty folder' : 'no model',
      expected:
        'an adapter, a model in safetensors, ONNX or GGUF, as fettle train, merge and export write them',
    })
  return { folder, files, leftOut: grouped(leftOut, files), kind, certificate }
}

/** @throws FettleError where there is nothing */
async function statOf(path: string): Promise<Stats> {
  return stat(path).catch((error: unknown) => {
    throw new FettleError(
      {
        place: clipText(path),
        found: 'no such file or folder',
        expected: 'the folder of a run, an adapter or an export, or a .gguf file',
      },
      { cause: error },
    )
  })
}

/** A file, the others of `NAME-00001-of-00003.gguf`, and what was certified of it. */
function partsOfFile(name: string, certificate: string | undefined): readonly string[] {
  const split = ggufPartOf(name)
  const files = split ? ggufPartName(split, '?????') : name
  return certificate === undefined ? [files] : [files, certificate]
}

/** A folder's certificate, or that of a file in it: several exports may lie beside one another. */
async function certificateIn(folder: string, file: string | undefined): Promise<string | undefined> {
  const names = file === undefined ? ['certificate.json'] : [`${file}.certificate.json`, 'certificate.json']
  for (const name of names) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const { files } = parseJsonObject(text, join(folder, name))
    const isOfFile = (each: unknown): boolean =>
      isJsonObject(each) && typeof each['path'] === 'string' && basename(each['path']) === file
    if (file === undefined || (Array.isArray(files) && files.some(isOfFile))) return name
  }
  return undefined
}

function matches(file: string, pattern: string): boolean {
  return hasWildcards(pattern) ? matchesGlob(file, pattern) : file.normalize() === pattern.normalize()
}

function leaveOut(path: string): LeftOut {
  const [, why] = reasons.find(([pattern]) => matches(path, pattern)) ?? []
  return { path, why: why ?? notAPart }
}

/** A folder of which nothing goes is named once: nobody reads the names of a thousand files. */
function grouped(all: readonly LeftOut[], files: readonly string[]): LeftOut[] {
  const shown = all.map(({ path, why }): [string, string] => {
    const top = path.slice(0, path.indexOf('/') + 1)
    return [top === '' || files.some((file) => file.startsWith(top)) ? path : top, why]
  })
  return [...new Map(shown)].map(([path, why]) => ({ path, why }))
}

function kindOf(files: readonly string[]): ModelKind | undefined {
  const has = (pattern: string): boolean => files.some((file) => matches(file, pattern))
  if (has('onnx/*.onnx')) return 'onnx'
  if (has('Modelfile') && has('*.gguf')) return 'ollama'
  if (has('*.gguf')) return 'gguf'
  if (has('adapters.safetensors')) return 'mlx-adapter'
  if (has('adapter_config.json') && has('adapter_model*.safetensors')) return 'adapter'
  if (has('config.json') && has('model*.safetensors')) return 'model'
  return undefined
}
