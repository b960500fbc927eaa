import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FettleError, messageOf } from '../../error.ts'
import { isGgufName, readJsonFile } from '../../formats/index.ts'
import {
  readFileContents,
  templateFolder,
  tokenizerFileNames,
  type TokenizerFileContents,
  type TokenizerFiles,
} from '../files.ts'

/**
 * Reads a model folder's tokenizer files.
 *
 * @throws FettleError that says what is there when tokenizer.json is not, or names the broken file
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const names = await list(folder)
  if (!names.includes('tokenizer.json')) throw missing(folder, names)
  const contents: TokenizerFileContents = { 'tokenizer.json': await readFile(join(folder, 'tokenizer.json')) }
  for (const name of tokenizerFileNames)
    if (name !== 'tokenizer.json' && names.includes(name)) contents[name] = await readFile(join(folder, name))
  if (names.includes(templateFolder))
    for (const name of await readdir(join(folder, templateFolder)))
      if (name.endsWith('.jinja'))
        contents[`${templateFolder}/${name.slice(0, -'.jinja'.length)}.jinja`] = await readFile(
          join(folder, templateFolder, name),
        )
  return { ...readFileContents(contents, folder), model: await readClass(folder) }
}

/** The model's type and class of tokenizer; what is wrong with config.json is not the tokenizer's to say. */
async function readClass(folder: string): Promise<NonNullable<TokenizerFiles['model']>> {
  const raw = await readJsonFile(join(folder, 'config.json')).catch(() => ({}))
  const { model_type: modelType, tokenizer_class: tokenizerClass } = raw as Record<string, unknown>
  return {
    ...(typeof modelType === 'string' && { modelType }),
    ...(typeof tokenizerClass === 'string' && { tokenizerClass }),
  }
}

/** Path of the sentencepiece model that older tools want beside tokenizer.json. */
export function sentencePieceOf(folder: string): string | undefined {
  const path = join(folder, 'tokenizer.model')
  return existsSync(path) ? path : undefined
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR')
      throw new FettleError({
        place: folder,
        found: `the file ${basename(folder)}`,
        expected: 'a model folder or a .gguf file',
        cure: `Give the folder instead: ${dirname(folder)}.`,
      })
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
  const gguf = names.find(isGgufName)
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
