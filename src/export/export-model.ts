import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { checkArgument, checkObject, checkPath } from '../check-argument.ts'
import { clipText, FettleError, quoteValue, type Problem } from '../error.ts'
import type { ExportedFile, ExportFormat } from './format.ts'
import { exportFormats, type ExportFormatName } from './formats.ts'
import { openSource } from './open-source.ts'
import type { ExportOptions } from './options.ts'
import { placeWhole } from './place-files.ts'

/** What was written. */
export interface ExportResult {
  format: ExportFormatName
  type: string
  path: string
  files: ExportedFile[]
  /** What is to be known of it: what files say that was not read, or what the format does not carry. */
  notices: readonly Problem[]
}

/**
 * Writes a model, with its adapter, as other software loads it. Weights are read, changed and written one after the other, so that it
 * takes little memory; the output appears whole or not at all.
 *
 * @throws FettleError for what cannot be read, what the format cannot hold, and an output that is in the way
 */
export async function exportModel(options: ExportOptions): Promise<ExportResult> {
  const { format, output, overwrite = false, signal, onProgress } = checked(options)
  const chosen: ExportFormat = exportFormats[format]
  const types = typesOf(chosen, options)
  const isFile = chosen.extension !== null
  checkAdapter(chosen, options)
  checkOutput(chosen, options, overwrite)
  const write = await chosen.load()
  const source = await openSource(options)
  const notices: Problem[] = [...source.model.notices, ...source.tokenizer.notices]
  try {
    const files = await placeWhole(output, isFile, async (folder) => {
      const found = await write(source, {
        folder,
        name: basename(output),
        type: types[0],
        types,
        maxShardBytes: options.maxShardBytes ?? (isFile ? Number.POSITIVE_INFINITY : 5e9),
        onTensor(tensors, all) {
          signal?.throwIfAborted()
          onProgress?.({ tensors, all })
        },
      })
      signal?.throwIfAborted()
      notices.push(...(found ?? []))
    })
    return { format, type: types.join(','), path: output, files, notices }
  } finally {
    await source.model.free()
  }
}

function checked(options: ExportOptions): ExportOptions {
  checkObject('exportModel', options)
  checkPath('exportModel: model', options.model)
  if (options.adapter !== undefined) checkPath('exportModel: adapter', options.adapter)
  checkPath('exportModel: output', options.output)
  const { format, maxShardBytes: most } = options
  const isFormat = typeof format === 'string' && Object.hasOwn(exportFormats, format)
  checkArgument('exportModel: format', format, isFormat, Object.keys(exportFormats).join(', '))
  const isSize = most === undefined || (typeof most === 'number' && most > 0)
  checkArgument('exportModel: maxShardBytes', most, isSize, 'a number of bytes')
  return options
}

function typesOf({ types, takesSeveral }: ExportFormat, { format, type }: ExportOptions): string[] {
  const asked = [...new Set([type ?? types[0]].flat())]
  const unknown = asked.find((each) => !types.includes(each))
  if (unknown === undefined && asked.length > 0 && (takesSeveral || asked.length === 1)) return asked
  throw new FettleError({
    place: 'type',
    found: unknown === undefined ? `${asked.length} types` : quoteValue(unknown),
    expected: `${takesSeveral ? 'some' : 'one'} of ${types.join(', ')} for the format ${format}`,
  })
}

function checkAdapter({ isAdapter }: ExportFormat, { format, adapter }: ExportOptions): void {
  if (!isAdapter || adapter !== undefined) return
  throw new FettleError({
    place: 'adapter',
    found: 'not given',
    expected: `a folder of an adapter: ${format} is the adapter alone`,
  })
}

/** An input is never written over, and what is there only where that was said. */
function checkOutput({ extension }: ExportFormat, options: ExportOptions, overwrite: boolean): void {
  const { output, model, adapter, format } = options
  const wrong = (found: string, expected: string, cure?: string) =>
    new FettleError({
      place: 'output',
      found: `${clipText(output)}: ${found}`,
      expected,
      ...(cure && { cure }),
    })
  if (extension !== null && !output.endsWith(extension))
    throw wrong(`a name without ${extension}`, `the path of a file that ends with ${extension}`)
  if (!existsSync(output)) return
  const inputs = [model, adapter].filter((input) => input !== undefined && existsSync(input))
  if (inputs.some((input) => realpathSync(input ?? '') === realpathSync(output)))
    throw wrong('what is read', 'another path')
  const isFolder = statSync(output).isDirectory()
  if (extension !== null && isFolder) throw wrong('a folder', `the path of a file: ${format} is one`)
  if (extension === null && !isFolder) throw wrong('a file', 'a new or empty folder')
  if (overwrite) return
  if (extension !== null) throw wrong('a file that is there already', 'a new one', overwriteCure)
  if (readdirSync(output).length > 0)
    throw wrong('a folder with files in it', 'a new or empty folder', overwriteCure)
}

const overwriteCure = 'Choose another, or overwrite with --force (overwrite: true).'
