import { byteCount } from '../byte-count.ts'
import { exportFormats, type ExportFormatName, type ExportResult } from '../export/index.ts'
import { defineCommand } from './command.ts'
import { writeJsonLine } from './terminal/json-lines.ts'
import { modelFlags, oneOf } from './flags/model-flags.ts'
import { interruptedCode } from './terminal/interruptible.ts'
import { runExport, shardFlag } from './run-export.ts'
import { terminalOf } from './terminal/terminal.ts'
import { plural } from '../plural.ts'
import { pythonNames } from '../python.ts'

const names = Object.keys(exportFormats) as ExportFormatName[]

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
    maxShardSize: shardFlag,
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
      description: `The Python that llama-cpp-python or mlx-lm is looked for in; default ${pythonNames()[0]}`,
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
    const result = await runExport('exporting', flags, {
      format: oneOf(flags.format, names) ?? names[0],
      ...(flags.type !== undefined && { type: repeated('type').flatMap((each) => each.split(',')) }),
      output: flags.output,
      ...(flags.evalData !== undefined && { evalData: repeated('evalData') }),
      certificateRows: flags.certificateRows,
      certificateBound: flags.certificateBound,
      ...(flags.python !== undefined && { python: flags.python }),
    })
    if (result === undefined) return interruptedCode
    const people = terminalOf(process.stderr)
    if (flags.json === true) writeJsonLine(summaryOf(result))
    else people.write(`${people.paint.green('✔')} ${describe(result)}\n`)
    return 0
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
  const wrote = `${path} · ${format} · ${type} · ${byteCount(bytes)} in ${plural(files.length, 'file')}`
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
