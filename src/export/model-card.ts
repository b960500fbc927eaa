import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError } from '../error.ts'
import { isJsonObject, type JsonObject } from '../formats/foreign/index.ts'

/** What stands at the top of a model's README.md, as the Hub has it; nothing where there is none, or what is no YAML. */
export async function readCard(folder: string): Promise<JsonObject> {
  const card = await readFile(join(folder, 'README.md'), 'utf8').catch(() => '')
  const [, head] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card) ?? []
  if (head === undefined) return {}
  const { readYaml } = await import('../formats/yaml/index.ts')
  try {
    const { value } = readYaml(head.replaceAll('\t', '  '), 'README.md')
    return isJsonObject(value) ? value : {}
  } catch (error) {
    if (error instanceof FettleError) return {}
    throw error
  }
}

/** The licence that a model's card names, as the Hub writes it: `apache-2.0`. */
export async function readLicence(folder: string): Promise<string | undefined> {
  const { license } = await readCard(folder)
  return typeof license === 'string' ? license : undefined
}
