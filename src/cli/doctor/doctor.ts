import { applyFixes, diagnose, reportMachine } from '../../doctor/index.ts'
import type { Diagnosis } from '../../doctor/index.ts'
import { FettleError } from '../../error.ts'
import { defineCommand } from '../command.ts'
import { runNumericTests } from './doctor-numeric.ts'
import { showDiagnosis, showNumeric, summarise } from './doctor-view.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { showMachine } from './machine-view.ts'
import { modelFlags, oneOf } from '../flags/model-flags.ts'
import { terminalOf } from '../terminal/terminal.ts'

/** Says what is wrong with a model, its data or a run, and cures what can be cured in files. */
export const doctor = defineCommand({
  details:
    'What a path is, its files tell: a model folder or .gguf file, a tokenizer, data, a run file, an adapter, or the folder of a run that fettle, TRL, Axolotl, LLaMA-Factory or Unsloth made.',
  flags: {
    paths: { type: 'positional', description: 'What to look at', repeats: true },
    model: { type: 'string', hint: 'path', description: 'Model folder or .gguf file' },
    adapter: { type: 'string', hint: 'path', description: 'Folder of an adapter' },
    data: { type: 'string', hint: 'path', description: 'Data to train on; may be repeated', repeats: true },
    evalData: { type: 'string', hint: 'path', description: 'Held-out data; may be repeated', repeats: true },
    run: { type: 'string', hint: 'path', description: 'Run file, or the folder of a run' },
    machine: {
      type: 'boolean',
      description:
        'Says which engine runs on this machine and why: instruction sets, the addon’s file, threads, limits',
    },
    fix: { type: 'boolean', description: 'Makes the cures that can be made in files' },
    numeric: {
      type: 'boolean',
      description:
        'Also tests the arithmetic on the model: batches, packing, padding and merging must not change results',
    },
    dtype: modelFlags.dtype,
    engine: modelFlags.engine,
    threads: modelFlags.threads,
    json: { type: 'boolean', description: 'Prints a line of JSON for each diagnosis' },
  },
  examples: [
    'doctor ~/models/SmolLM2-135M-Instruct train.jsonl --eval-data eval.jsonl',
    'doctor runs/first --json',
    'doctor --model assets/tiny-llama --numeric',
    'doctor --machine',
  ],
  async run(flags, { positionals, repeated }) {
    const evalData = repeated('evalData')
    const subjects = {
      paths: positionals,
      model: flags.model,
      adapter: flags.adapter,
      data: repeated('data'),
      ...(evalData.length > 0 && { evalData }),
      run: flags.run,
    }
    const options = {
      dtype: oneOf(flags.dtype, modelFlags.dtype.options),
      engine: oneOf(flags.engine, modelFlags.engine.options),
      ...(flags.threads !== undefined && { threads: flags.threads }),
    }
    const out = terminalOf(process.stdout)
    const looksAtFiles =
      positionals.length > 0 || [flags.model, flags.adapter, flags.data, flags.run].some(Boolean)
    if (flags.machine === true) {
      const machine = await reportMachine(options)
      if (flags.json === true) writeJsonLine({ type: 'machine', ...machine })
      else out.write(showMachine(machine, out))
      if (!looksAtFiles) return 0
      if (flags.json !== true) out.write('\n')
    }
    if (!looksAtFiles)
      throw new FettleError({
        place: 'fettle doctor',
        found: 'nothing to look at',
        expected: 'paths of a model, data, a run file, an adapter or a run; or --machine',
      })
    const diagnoses = await diagnose(subjects)
    for (const diagnosis of diagnoses)
      if (flags.json === true) writeJsonLine({ type: 'finding', ...plain(diagnosis) })
      else out.write(`${showDiagnosis(diagnosis, out)}\n`)

    let failed = 0
    if (flags.numeric === true) {
      for await (const result of runNumericTests(subjects, options)) {
        if (!result.passed) failed += 1
        if (flags.json === true) writeJsonLine({ type: 'numeric', ...result })
        else out.write(`${showNumeric(result, out)}\n`)
      }
    }
    if (flags.fix === true)
      for (const { file, describe } of await applyFixes(diagnoses))
        if (flags.json === true) writeJsonLine({ type: 'fixed', file, describe })
        else out.write(`${out.paint.green('fixed')} ${file}: ${describe}\n`)
    if (flags.json !== true) out.write(`${summarise(diagnoses)}\n`)

    const errors = diagnoses.filter(({ severity, fix }) => severity === 'error' && !(flags.fix && fix)).length
    return errors + failed > 0 ? 1 : 0
  },
})

/** A diagnosis without its function. */
function plain({ fix, ...diagnosis }: Diagnosis) {
  return { ...diagnosis, ...(fix && { fix: { file: fix.file, describe: fix.describe } }) }
}
