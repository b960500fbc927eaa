import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { clipText, FettleError } from '../../error.ts'
import { ggufPartName, ggufPartOf } from './gguf-name.ts'
import { readGgufFile, type GgufFile } from './gguf.ts'

/**
 * Reads metadata and tensor directory of a GGUF file. Of a model that llama-gguf-split wrote to several files `path` is the first; the
 * metadata are of that one, and the tensors of all.
 *
 * @throws FettleError for a file that is no such, another part than the first, and parts that are missing or of another model
 */
export function readGguf(path: string): GgufFile {
  const first = readGgufFile(path)
  const count = numberOf(first, 'split.count') ?? 1
  if (count <= 1) return first
  const wrong = (found: string, expected: string, cure: string) =>
    new FettleError({ place: path, found, expected, cure })
  const number = numberOf(first, 'split.no') ?? 0
  const name = ggufPartOf(basename(path))
  if (name?.count !== count)
    throw wrong(
      `part ${number + 1} of ${count} of a model`,
      `the name ${ggufPartName({ stem: 'NAME', count, extension: '.gguf' }, number + 1)}`,
      'Give the parts the names that they were made with.',
    )
  if (number !== 0)
    throw wrong(
      `part ${number + 1} of ${count} of a model`,
      'the first one',
      `Give ${join(dirname(path), ggufPartName(name, 1))}; the others are found beside it.`,
    )
  const tensors = new Map(first.tensors)
  for (let part = 2; part <= count; part += 1) {
    const other = join(dirname(path), ggufPartName(name, part))
    if (!existsSync(other))
      throw wrong(`no ${basename(other)} beside it`, `all ${count} parts`, 'Download the missing parts.')
    const file = readGgufFile(other)
    if (numberOf(file, 'split.no') !== part - 1 || numberOf(file, 'split.count') !== count)
      throw wrong(
        `${basename(other)} of another model`,
        `part ${part} of ${count}`,
        'Download the parts again.',
      )
    for (const [tensor, info] of file.tensors) {
      if (tensors.has(tensor))
        throw wrong(`tensor ${clipText(tensor)} in two parts`, 'each once', 'Download the parts again.')
      tensors.set(tensor, info)
    }
  }
  const said = numberOf(first, 'split.tensors.count')
  if (said !== undefined && said !== tensors.size)
    throw wrong(`${tensors.size} tensors in ${count} parts`, `${said}`, 'Download the parts again.')
  return { ...first, tensors }
}

function numberOf({ metadata }: GgufFile, key: string): number | undefined {
  const value = metadata.get(key)
  return typeof value === 'number' ? value : undefined
}
