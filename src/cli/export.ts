import { FettleError } from '../error.ts'
import { exportFormats, exportModel, type ExportFormatName, type ExportResult } from '../export/index.ts'
import { defineCommand } from './command.ts'
import { writeJsonLine } from './json-lines.ts'
import { modelFlags, oneOf, pathsOf } from './model-flags.ts'
import { showNotices } from './notices.ts'
import { plural, short } from './numbers.ts'
import { quantizations } from '../engine/index.ts'
import { bar } from './sparkline.ts'
import { createProgressLine, terminalOf } from './terminal.ts'

const names = Object.keys(exportFormats) as ExportFormatName[]

/** The shell's code for a program that Ctrl-C ended. */
const interruptedCode = 130

/** Writes a model as other software loads it. */
export const exportCommand = defineCommand({
  flags: {
    model: modelFlags.model,
    adapter: {
      ...modelFlags.adapter,
      description: `${modelFlags.adapter.description}: it goes into the weights`,
    },
    format: {
      type: 'string',
      options: names,
      required: true,
      description: 'What is written; see above',
    },
    type: {
      type: 'string',
      description:
        'What weights are stored in; default the first of the format. Of onnx several: --type f32,q4, or repeated',
      repeats: true,
    },
    output: { type: 'string', hint: 'path', required: true, description: 'File or folder that is written' },
    maxShardSize: {
      type: 'string',
      hint: 'size',
      description:
        'Weights above it go to several files: 5GB, 500MB. Default 5GB; one GGUF file is never split without it',
    },
    evalData: {
      type: 'string',
      hint: 'path',
      description:
        'Rows that the exported form and the live model are both asked, for the certificate; may be repeated. Default the evaluation rows of the run that made the adapter',
      repeats: true,
    },
    certificateRows: { type: 'number', description: 'How many of these rows; default 8, 0: none' },
    certificateBound: {
      type: 'number',
      description:
        'The largest mean divergence from the live model that passes, in nats; default by the type',
    },
    python: {
      type: 'string',
      hint: 'path',
      description: 'The Python that llama-cpp-python or mlx-lm is looked for in; default python3',
    },
    force: { type: 'boolean', description: 'Replaces a file, or writes into a folder that has files in it' },
    quantization: {
      ...modelFlags.quantization,
      description:
        'What the adapter was trained with (QLoRA): it is added to the weights that quantising leaves',
    },
    doubleQuantization: modelFlags.doubleQuantization,
    engine: modelFlags.engine,
    threads: modelFlags.threads,
    json: {
      type: 'boolean',
      description:
        'Prints {"format","type","path","files":[{"path","bytes"}],"certificate":{"verdict","kl","path"}}',
    },
  },
  details: names
    .map((name) => {
      const { summary, types } = exportFormats[name]
      return `${name}: ${summary}. Types: ${types.join(', ')}.`
    })
    .join('\n'),
  examples: [
    'export --model ~/models/SmolLM2-135M-Instruct --adapter runs/first --format onnx --type q4,q8 --output site/models/mine',
    'export --model ~/models/SmolLM2-135M-Instruct --adapter runs/first --format gguf --type q8_0 --output first.gguf',
    'export --model ~/models/SmolLM2-135M-Instruct --adapter runs/first --format safetensors --type bfloat16 --output runs/merged',
  ],
  async run(flags, { repeated }) {
    const people = terminalOf(process.stderr)
    const line = createProgressLine(people)
    const controller = new AbortController()
    const interrupt = () => controller.abort()
    process.once('SIGINT', interrupt)
    try {
      const { maxShardSize: size } = flags
      const result = await exportModel({
        ...(await pathsOf(flags)),
        format: oneOf(flags.format, names) ?? names[0],
        ...(flags.type !== undefined && { type: repeated('type').flatMap((each) => each.split(',')) }),
        output: flags.output,
        overwrite: flags.force,
        ...(size !== undefined && { maxShardBytes: bytesOf(size) }),
        quantization: oneOf(flags.quantization, quantizations) ?? null,
        doubleQuantization: flags.doubleQuantization ?? false,
        engine: oneOf(flags.engine, modelFlags.engine.options),
        threads: flags.threads,
        ...(flags.evalData !== undefined && { evalData: repeated('evalData') }),
        certificateRows: flags.certificateRows,
        certificateBound: flags.certificateBound,
        ...(flags.python !== undefined && { python: flags.python }),
        signal: controller.signal,
        onProgress({ tensors, all, rows }) {
          const [done, of, what] = rows ? [rows.done, rows.all, 'row'] : [tensors, all, 'tensor']
          const { filled, rest } = bar(of === 0 ? 0 : done / of, 20)
          const { paint } = people
          line.show(
            `${paint.cyan('⠿')} ${paint.bold(rows ? 'comparing' : 'exporting')}  ${paint.cyan(filled)}${paint.dim(rest)}  ${done} of ${plural(of, what)}`,
          )
        },
      })
      line.clear()
      showNotices(result.notices)
      if (flags.json === true) writeJsonLine(summaryOf(result))
      else people.write(`${people.paint.green('✔')} ${describe(result)}\n`)
      return 0
    } catch (error) {
      line.clear()
      if (!controller.signal.aborted) throw error
      people.write('Stopped: nothing was written.\n')
      return interruptedCode
    } finally {
      process.off('SIGINT', interrupt)
    }
  },
})

/** What programs are told; the certificate is a file. */
function summaryOf({ format, type, path, files, certificate, certificatePaths }: ExportResult) {
  const { verdict, forms } = certificate
  const kl = forms.map((form) => form.kl)
  return { format, type, path, files, certificate: { verdict, kl, path: certificatePaths.json } }
}

function describe({ format, type, path, files, certificate }: ExportResult): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const wrote = `${path} · ${format} · ${type} · ${short(bytes)}B in ${plural(files.length, 'file')}`
  return [wrote, ...certified(certificate)].join('\n  ')
}

/** A line for each form that was compared, or why none was. */
function certified({ note, forms }: ExportResult['certificate']): string[] {
  const told = forms.map(({ type, kl, rows, runtime, same_answers: same, note: why }) =>
    runtime === null || kl === null
      ? `${type}: not compared. ${why ?? ''}`
      : `${type}: ${same} of ${plural(rows.length, 'answer')} equal, divergence ${kl.toPrecision(2)} nats, in ${runtime.name} ${runtime.version}${runtime.isTarget ? '' : `. ${why ?? ''}`}`,
  )
  return note === undefined ? told : [...told, `not compared. ${note}`]
}

const units = new Map([
  ['', 1],
  ['k', 1e3],
  ['m', 1e6],
  ['g', 1e9],
  ['ki', 2 ** 10],
  ['mi', 2 ** 20],
  ['gi', 2 ** 30],
])

/** `5GB` is 5 · 10⁹, `5GiB` 5 · 2³⁰, as Hugging Face reads them. */
function bytesOf(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg]?i?)b?$/i.exec(text.trim()) ?? []
  const bytes = Number(number) * (units.get(unit.toLowerCase()) ?? Number.NaN)
  if (bytes > 0) return bytes
  throw new FettleError({
    place: '--max-shard-size',
    found: `'${text}'`,
    expected: 'a size such as 5GB or 500MB',
  })
}
