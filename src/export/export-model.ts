import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { checkArgument, checkObject, checkPath } from '../check-argument.ts'
import { clipText, FettleError, quoteValue, type Problem } from '../error.ts'
import { isSamePlace } from '../formats/index.ts'
import type { ExportedFile, ExportFormat, ExportSource } from './format.ts'
import { certificateRows, certify, writeCertificate } from './certificate/index.ts'
import type { Certificate, Exported } from './certificate/index.ts'
import { filesIn } from './files-in.ts'
import { exportFormats, type ExportFormatName } from './formats.ts'
import { openSource } from './open-source.ts'
import type { ExportOptions } from './options.ts'
import { failedSuffix, placeWhole } from './place-files.ts'

/** What was written. */
export interface ExportResult {
  format: ExportFormatName
  type: string
  path: string
  files: ExportedFile[]
  /** Numbers in all weights of the model, and what its files have most of them in. */
  parameters: number
  storedDtype: string
  /** What is to be known of it: what files say that was not read, or what the format does not carry. */
  notices: readonly Problem[]
  /** What it is made of, and how near the exported form is to the live model. */
  certificate: Certificate
  /** Where that is written, for programs and for people. */
  certificatePaths: { json: string; page: string }
}

/**
 * Writes a model, with its adapter, as other software loads it. Weights are read, changed and written one after the other, so that it
 * takes little memory; the output appears whole or not at all.
 *
 * @throws FettleError for what cannot be read, what the format cannot hold, and an output that is in the way
 */
export async function exportModel(options: ExportOptions): Promise<ExportResult> {
  const { format, output, overwrite = false } = checked(options)
  const chosen: ExportFormat = exportFormats[format]
  const types = typesOf(chosen, options)
  checkAdapter(chosen, options)
  checkOutput(chosen, options, overwrite)
  const source = await openSource(options)
  const notices: Problem[] = [...source.model.notices, ...source.tokenizer.notices]
  const { storedDtype } = source.model
  let parameters = 0
  const isFile = chosen.extension !== null
  // Before the live model is loaded for the certificate, and where something fails.
  let isOpen = true
  const close = async (): Promise<void> => {
    if (isOpen) await source.model.free()
    isOpen = false
  }
  let certificate: Certificate | undefined
  let names = { json: '', page: '' }
  const rows = await certificateRows(source, options).catch(async (error: unknown) => {
    await close()
    throw error
  })
  const files = await placeWhole(output, isFile, async (folder) => {
    notices.push(...(await writeFiles(source, chosen, types, { folder, options })))
    parameters = source.model.parameterCount
    await close()
    certificate = await certify(source, await describeExport(types, folder, options), rows, options)
    names = await writeCertificate(certificate, folder, { output, isFile })
    return certificate.verdict === 'failed' ? 'failed' : 'whole'
  }).finally(close)
  if (!certificate) throw new Error('no certificate')
  refuseFailed(certificate, output)
  const at = (name: string) => join(isFile ? dirname(output) : output, name)
  const certificatePaths = { json: at(names.json), page: at(names.page) }
  return {
    format,
    type: types.join(','),
    path: output,
    files,
    parameters,
    storedDtype,
    notices,
    certificate,
    certificatePaths,
  }
}

/** Lets the format write into a folder. */
async function writeFiles(
  source: ExportSource,
  format: ExportFormat,
  types: readonly string[],
  { folder, options }: { folder: string; options: ExportOptions },
): Promise<readonly Problem[]> {
  const { output, maxShardBytes, signal, onProgress } = options
  const write = await format.load()
  const found = await write(source, {
    folder,
    name: basename(output),
    type: types[0],
    types,
    maxShardBytes: maxShardBytes ?? (format.extension === null ? 5e9 : Number.POSITIVE_INFINITY),
    onTensor(tensors, all) {
      signal?.throwIfAborted()
      onProgress?.({ tensors, all })
    },
  })
  signal?.throwIfAborted()
  return found ?? []
}

/** What was written, by the paths that it is to have. */
async function describeExport(
  types: readonly string[],
  folder: string,
  { format, output, model, adapter }: ExportOptions,
): Promise<Exported> {
  const home = exportFormats[format].extension === null ? output : dirname(output)
  const files = (await filesIn(folder)).map((name) => ({ name, path: join(home, name) }))
  return { format, types, output, folder, files, paths: { model, adapter } }
}

/** @throws FettleError (exit code 1) where an exported form is not what the live model is; it lies aside */
function refuseFailed({ verdict, forms }: Certificate, output: string): void {
  if (verdict !== 'failed') return
  const problems = forms.flatMap(({ type, problems: own }) =>
    own.map(({ found, expected }) => ({ place: output, found: `${found}, as ${type}`, expected })),
  )
  const [first, ...rest] = problems
  const cure = `It is kept as ${output}${failedSuffix}, with its certificate; try a type of more bits, or --certificate-bound where that is near enough.`
  throw new FettleError([{ ...first, cure }, ...rest], { exitCode: 1 })
}

function checked(options: ExportOptions): ExportOptions {
  checkObject('exportModel', options)
  checkPath('exportModel: model', options.model)
  if (options.adapter !== undefined) checkPath('exportModel: adapter', options.adapter)
  checkPath('exportModel: output', options.output)
  const { format, maxShardBytes: most } = options
  const isFormat = typeof format === 'string' && Object.hasOwn(exportFormats, format)
  checkArgument('exportModel: format', format, isFormat, Object.keys(exportFormats).join(', '))
  const { certificateRows: rows, certificateBound: bound } = options
  const isCount = rows === undefined || (Number.isInteger(rows) && rows >= 0)
  checkArgument('exportModel: certificateRows', rows, isCount, 'a whole number, or 0')
  const isBound = bound === undefined || (Number.isFinite(bound) && bound > 0)
  checkArgument('exportModel: certificateBound', bound, isBound, 'a number above 0')
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
    expected: `${takesSeveral ? 'some of ' : ''}${types.join(', ')} for the format ${format}`,
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
  if ([model, adapter].some((input) => input !== undefined && isSamePlace(input, output)))
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
