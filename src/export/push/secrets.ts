import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import type { FileToPush } from './public-files.ts'

/** What nobody means to publish, as those who issue it write it. */
const secrets: readonly (readonly [RegExp, string])[] = [
  [/\bhf_[A-Za-z0-9]{30,}\b/, 'a token of Hugging Face'],
  [/\bsk-(?:proj-|ant-)?[\w-]{32,}\b/, 'a key of an API'],
  [/\bgh[pousr]_[A-Za-z0-9]{36,}\b/, 'a token of GitHub'],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/, 'a key of AWS'],
  [/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/, 'a private key'],
]

/** Vocabularies are no place for one, and long. */
const vocabularies = new Set(['tokenizer.json', 'vocab.json', 'vocab.txt', 'merges.txt'])
const textNames = /\.(json|jsonl|jinja|md|txt|ya?ml|html|env|py|js|mjs|ts|sh)$|(^|\/)[^.]+$|(^|\/)\.[^/]+$/
const longestText = 4 << 20

/**
 * Looks for secrets in the texts that are about to go.
 *
 * @throws FettleError that names every file with one, and shows none
 */
export async function refuseSecrets(folder: string, files: readonly FileToPush[]): Promise<void> {
  const found = await Promise.all(
    files
      .filter(({ path, bytes }) => textNames.test(path) && !vocabularies.has(path) && bytes <= longestText)
      .map(async ({ path, content }) => {
        const text = content ?? (await readFile(join(folder, path), 'utf8'))
        const [, what] = secrets.find(([pattern]) => pattern.test(text)) ?? []
        return what === undefined ? [] : [{ path, what }]
      }),
  )
  const problems = found.flat().map(({ path, what }) => ({
    place: join(folder, path),
    found: `what looks like ${what}`,
    expected: 'nothing that is secret',
    cure: 'Take it out of the file; where it was published before, make another one.',
  }))
  if (problems.length > 0) throw new FettleError(problems)
}
