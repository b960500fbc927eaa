import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { FettleError } from '../error.ts'
import { defineCommand } from './command.ts'
import { writeJsonLine } from './json-lines.ts'
import { loadModelOf, modelFlags, oneOf, pathsOf } from './model-flags.ts'
import { terminalOf } from './terminal.ts'

const storedTypes = ['float32', 'bfloat16', 'float16'] as const

/** Writes a model that needs no adapter any more. */
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
      description: 'What the weights are stored in; default: as in the base model',
    },
    force: { type: 'boolean', description: 'Writes into a folder that has files in it' },
    json: { type: 'boolean', description: 'Prints {"path","dtype","parameters","files"}' },
  },
  details:
    'The adapter is added to the weights as they are stored, in float32 whatever --dtype says; what it does not change keeps its bytes. With --quantization, as it was trained, it is added to the weights that it was trained on: those that quantising leaves, written whole.',
  examples: ['merge --model ~/models/SmolLM2-135M-Instruct --adapter runs/first --output-dir runs/merged'],
  async run(flags) {
    const { outputDir: output } = flags
    checkOutput(output, Object.values(await pathsOf(flags)), flags.force === true)
    const { model, tokenizer } = await loadModelOf(flags)
    await model.mergeAdapter()
    const asked = oneOf(flags.saveDtype, storedTypes)
    const dtype = asked ?? model.storedDtype
    await model.save(output, { dtype: asked ?? 'stored' })
    await tokenizer.save(output)
    if (flags.json === true)
      writeJsonLine({
        path: output,
        dtype,
        parameters: model.parameterCount,
        files: readdirSync(output).toSorted(),
      })
    else {
      const { write, paint } = terminalOf(process.stderr)
      write(`${paint.green('✔')} merged   ${output} · ${dtype}\n`)
      if (dtype !== 'float32')
        write(
          paint.dim(
            `Rounding to ${dtype} loses the smallest changes of an adapter; --save-dtype float32 keeps them.\n`,
          ),
        )
    }
  },
})

function checkOutput(output: string, inputs: readonly string[], force: boolean): void {
  if (!existsSync(output)) return
  const isInput = inputs.some((input) => realpathSync(input) === realpathSync(output))
  if (isInput)
    throw new FettleError({
      place: `--output-dir ${output}`,
      found: 'the folder that is read',
      expected: 'another one',
    })
  if (!statSync(output).isDirectory())
    throw new FettleError({
      place: `--output-dir ${output}`,
      found: 'a file',
      expected: 'a new or empty folder',
    })
  if (!force && readdirSync(output).length > 0)
    throw new FettleError({
      place: `--output-dir ${output}`,
      found: 'a folder with files in it',
      expected: 'a new or empty folder',
      cure: 'Choose another, or overwrite with --force.',
    })
}
