import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The licence that a model's README.md names at its top, as the Hub has them: `apache-2.0`. */
export async function readLicence(folder: string): Promise<string | undefined> {
  const card = await readFile(join(folder, 'README.md'), 'utf8').catch(() => '')
  const [, head = ''] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card) ?? []
  const [, licence] = /^license:\s*['"]?([^'"\r\n]+?)['"]?\s*$/m.exec(head) ?? []
  return licence
}
