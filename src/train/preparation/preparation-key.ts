import { createHash } from 'node:crypto'
import type { DataSource, MixOptions } from '../../data/index.ts'
import { carry, fileContents, resolveFiles, type FileContent } from '../../data/index.ts'
import { snapshotOf, type Tokenizer } from '../../tokenizer/index.ts'
import { version } from '../../version.ts'

/** Goes up when fettle makes other examples of the same data, or keeps them otherwise. */
const formatVersion = 1

/** All that decides which examples are made. */
export interface Preparation {
  sources: readonly DataSource[]
  mix: MixOptions
  tokenizer: Tokenizer
  /** Everything else, by name. */
  options: Readonly<Record<string, unknown>>
}

/** What data are, and the key under which what was made of them is kept. */
export interface PreparationKey {
  /** Undefined where it cannot be told whether the next time would give the same: rows or functions of a program, a pipe. */
  key: string | undefined
  /** The files that the sources are read from. */
  files: readonly FileContent[]
}

/**
 * The key of a preparation: a hash of what the files hold, of the tokenizer with its chat templates, of every option that matters and of
 * fettle's version. A template that writes the date has another key every day.
 *
 * @param cache  folder of the cache, where the hashes of large files are remembered
 */
export async function preparationKey(
  { sources, mix, tokenizer, options }: Preparation,
  cache: string | undefined,
): Promise<PreparationKey> {
  const files: FileContent[] = []
  let canRepeat = true
  for (const source of sources) {
    const paths = await resolveFiles(source)
    if (paths === undefined) canRepeat = false
    else files.push(...(await fileContents(paths, cache)))
  }
  const decisive = { sources, mix, options, files }
  if (!canRepeat || holdsFunction(decisive)) return { key: undefined, files }
  const { tokenizerJson, ...rest } = snapshotOf(tokenizer)
  const writesDate = rest.chatTemplates.some(([, source]) => source.includes('strftime_now'))
  const hash = createHash('sha256')
  hash.update(asText({ formatVersion, version: version(), rest, decisive: carry(decisive) }))
  if (writesDate) hash.update(new Date().toDateString())
  hash.update(tokenizerJson)
  return { key: hash.digest('hex').slice(0, 40), files }
}

/** As JSON, in which integers of any size have a place. */
function asText(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'bigint' ? { bigint: `${item}` } : item,
  )
}

function holdsFunction(value: unknown): boolean {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).some(holdsFunction)
}
