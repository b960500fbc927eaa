import { relative, sep } from 'node:path'
import { FettleError } from '../error.ts'
import { defineCommand } from './command.ts'
import { writeJsonLine } from './terminal/json-lines.ts'
import { modelFlags } from './flags/model-flags.ts'
import { runExport, shardFlag } from './run-export.ts'
import { interruptedCode } from './terminal/interruptible.ts'
import { terminalOf } from './terminal/terminal.ts'

const storedTypes = ['float32', 'bfloat16', 'float16', 'nf4', 'nf4-double'] as const

/** Writes a model that needs no adapter any more: `export --format safetensors`, with the adapter required. */
export const merge = defineCommand({
  flags: {
    ...modelFlags,
    adapter: { ...modelFlags.adapter, required: true },
    outputDir: {
      type: 'string',
      hint: 'path',
      required: true,
      aliases: ['output'],
      description: 'Folder for the merged model',
    },
    saveDtype: {
      type: 'string',
      options: storedTypes,
      description:
        'What the weights are stored in; default: as in the base model. nf4 and nf4-double are 4 bits of bitsandbytes',
    },
    maxShardSize: shardFlag,
    force: { type: 'boolean', description: 'Writes into a folder that has files in it' },
    json: { type: 'boolean', description: 'Prints {"path","dtype","parameters","files"}' },
  },
  details:
    'The adapter is added to the weights as they are stored, in float32 whatever --dtype says; what it does not change keeps its bytes. With --quantization, as it was trained, it is added to the weights that it was trained on: those that quantising leaves, written whole. The same as fettle export --format safetensors, which also certifies it on rows of yours.',
  examples: ['merge --model ~/models/SmolLM2-135M-Instruct --adapter runs/first --output-dir runs/merged'],
  async run(flags) {
    const { outputDir: output, saveDtype } = flags
    const result = await runExport('merging', flags, {
      format: 'safetensors',
      type: saveDtype ?? 'stored',
      // Nothing is asked: who wants that exports.
      certificateRows: 0,
      output,
    }).catch((error: unknown) => {
      throw withFlagName(error)
    })
    if (result === undefined) return interruptedCode
    const { parameters, storedDtype, files } = result
    const dtype = saveDtype ?? storedDtype
    if (flags.json === true) {
      const names = files.map(({ path }) => relative(output, path).split(sep).join('/'))
      writeJsonLine({ path: output, dtype, parameters, files: names })
      return 0
    }
    const { write, paint } = terminalOf(process.stderr)
    write(`${paint.green('✔')} merged   ${output} · ${dtype}\n`)
    if (dtype !== 'float32')
      write(
        paint.dim(
          `Rounding to ${dtype} loses the smallest changes of an adapter; --save-dtype float32 keeps them.\n`,
        ),
      )
    return 0
  },
})

/** Export calls it `output`, and everything else as the flags here do. */
function withFlagName(error: unknown): unknown {
  if (!(error instanceof FettleError)) return error
  const problems = error.problems.map((problem) =>
    problem.place === 'output' ? { ...problem, place: '--output-dir' } : problem,
  )
  return new FettleError(problems, { exitCode: error.exitCode, cause: error })
}
