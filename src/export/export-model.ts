import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { checkArgument, checkObject, checkPath } from '../check-argument.ts'
import { clipText, FettleError, quoteValue, type Problem } from '../error.ts'
import type { ExportedFile, ExportFormat, ExportSource } from './format.ts'
import { certify, placeCertificate, setAside } from './certificate/index.ts'
import type { Certificate, Exported } from './certificate/index.ts'
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
  const written = await writeFiles(source, chosen, types, options).finally(() => source.model.free())
  const exported = { format, types, output, files: written.files }
  const { certificate, paths } = await certified(source, exported, options, chosen.extension !== null)
  const beside = Object.values(paths).map((path) => ({ path, bytes: statSync(path).size }))
  const files = [...written.files, ...beside].toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return {
    format,
    type: types.join(','),
    path: output,
    files,
    notices: written.notices,
    certificate,
    certificatePaths: paths,
  }
}

/** Lets the format write beside the output, and moves what is whole to its place. */
async function writeFiles(
  source: ExportSource,
  format: ExportFormat,
  types: readonly string[],
  { output, maxShardBytes, signal, onProgress }: ExportOptions,
): Promise<Pick<ExportResult, 'files' | 'notices'>> {
  const isFile = format.extension !== null
  const notices: Problem[] = [...source.model.notices, ...source.tokenizer.notices]
  const write = await format.load()
  const files = await placeWhole(output, isFile, async (folder) => {
    const found = await write(source, {
      folder,
      name: basename(output),
      type: types[0],
      types,
      maxShardBytes: maxShardBytes ?? (isFile ? Number.POSITIVE_INFINITY : 5e9),
      onTensor(tensors, all) {
        signal?.throwIfAborted()
        onProgress?.({ tensors, all })
      },
    })
    signal?.throwIfAborted()
    notices.push(...(found ?? []))
  })
  return { files, notices }
}

/**
 * Writes the certificate beside an export.
 *
 * @throws FettleError (exit code 1) where the exported form is too far from the live model: it is set aside
 */
async function certified(source: ExportSource, exported: Exported, options: ExportOptions, isFile: boolean) {
  const { output, files } = exported
  const certificate = await certify(source, exported, options)
  const paths = await placeCertificate(certificate, output, isFile)
  if (certificate.verdict !== 'failed') return { certificate, paths }
  const aside = await setAside(output, isFile, files)
  const { type, kl, bound } = certificate.forms.find(({ verdict }) => verdict === 'failed') ?? {}
  throw new FettleError(
    {
      place: output,
      found: `a mean divergence of ${kl?.toPrecision(3)} nats from the live model, as ${type}`,
      expected: `at most ${bound}`,
      cure: `It is kept as ${aside}, with its certificate; try a type of more bits, or --certificate-bound where that is near enough.`,
    },
    { exitCode: 1 },
  )
}

function checked(options: ExportOptions): ExportOptions {
  checkObject('exportModel', options)
  checkPath('exportModel: model', options.model)
  if (options.adapter !== undefined) checkPath('exportModel: adapter', options.adapter)
  checkPath('exportModel: output', options.output)
  const { format, maxShardBytes: most } = options
  const isFormat = typeof format === 'string' && Object.hasOwn(exportFormats, format)
  checkArgument('exportModel: format', format, isFormat, Object.keys(exportFormats).join(', '))
  checkCount('certificateRows', options.certificateRows, Number.isInteger)
  checkCount('certificateBound', options.certificateBound, Number.isFinite)
  const isSize = most === undefined || (typeof most === 'number' && most > 0)
  checkArgument('exportModel: maxShardBytes', most, isSize, 'a number of bytes')
  return options
}

function checkCount(name: string, value: unknown, isOne: (value: number) => boolean): void {
  const isRight = value === undefined || (typeof value === 'number' && isOne(value) && value > 0)
  checkArgument(`exportModel: ${name}`, value, isRight, 'a number above 0')
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
