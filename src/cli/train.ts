import { AutoModelForCausalLM } from '../model/index.ts'
import { loadTokenizer } from '../pipeline/index.ts'
import { trainSft } from '../train/index.ts'
import { whenOutputCloses } from './closed-output.ts'
import { collectGarbage } from './collect-garbage.ts'
import { defineCommand } from './command.ts'
import { writeJsonLine } from './json-lines.ts'
import { pathsOf } from './model-flags.ts'
import { showNotices } from './notices.ts'
import { readRun, runFlags } from './run-flags.ts'
import { createRunView } from './run-view.ts'
import { terminalOf } from './terminal.ts'

/** Exit code of a run that Ctrl-C ended, as shells have it: it is not done, and did not fail. */
const interruptedCode = 130

/** Trains as a run file and flags say. */
export const train = defineCommand({
  flags: {
    files: {
      type: 'positional',
      repeats: true,
      description: 'Run files (.yaml), or data files (.jsonl, .json)',
    },
    ...runFlags(),
    json: { type: 'boolean', description: 'Prints events as JSON lines' },
  },
  details: [
    'Every option may stand in the run file or be a flag; flags win.',
    'Ctrl-C saves a checkpoint and stops, a second one stops at once. --resume-from-checkpoint goes on.',
  ].join('\n'),
  examples: [
    'train --model ~/models/SmolLM2-135M-Instruct --data train.jsonl --output-dir runs/first',
    'train run.yaml',
    'train run.yaml --learning-rate 1e-4 --lora-r 32 --json > events.jsonl',
    'train run.yaml --resume-from-checkpoint',
  ],
  async run(flags, { positionals, repeated }) {
    const options = await readRun(flags, positionals, repeated)
    const { engine, threads, dtype, quantization, activationQuantization } = options
    const paths = await pathsOf({ model: options.model, adapter: options.adapter ?? undefined })
    const tokenizer = await loadTokenizer(paths)
    const model = await AutoModelForCausalLM.fromPretrained(paths.model, {
      dtype,
      quantization,
      activationQuantization,
      ...(engine !== 'auto' && { engine }),
      ...(threads !== undefined && { threads }),
    })
    showNotices(model.notices)
    const json = flags.json === true
    const people = terminalOf(process.stderr)
    const view = json ? undefined : createRunView(terminalOf(process.stdout))
    const stop = new AbortController()
    const interrupt = (): void => {
      if (stop.signal.aborted) process.exit(interruptedCode)
      stop.abort()
      const note = 'Stopping after this step, with a checkpoint. Ctrl-C again stops at once.'
      if (view) view.say(note)
      else people.write(`${note}\n`)
    }
    // Nothing trained is lost because nobody listens any more.
    whenOutputCloses(() => stop.abort())
    process.on('SIGINT', interrupt)
    process.on('SIGTERM', interrupt)
    let code = 0
    let checkpoint: string | undefined
    try {
      for await (const event of trainSft({ ...options, model, tokenizer, signal: stop.signal })) {
        if (view) view.show(event)
        else writeJsonLine(event)
        if (event.type === 'start') collectGarbage()
        if (event.type === 'checkpoint') checkpoint = event.path
        if (event.type !== 'end') continue
        view?.close()
        if (event.interrupted) {
          code = interruptedCode
          view?.say(`\nGo on with:  ${resumeCommand()}`)
        } else
          view?.say(
            `\nNext:  fettle chat --model ${options.model}${model.adapterConfig ? ` --adapter ${event.output_dir}` : ''}${quantization ? ` --quantization ${quantization}` : ''}`,
          )
      }
    } catch (error) {
      view?.close()
      if (checkpoint !== undefined)
        people.write(`${checkpoint} is whole. Go on from it with:  ${resumeCommand()}\n`)
      throw error
    } finally {
      view?.close()
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
    }
    return code
  },
})

/** This command line, to be given again. */
function resumeCommand(): string {
  const given = process.argv.slice(2)
  const at = given.findIndex((argument) => argument.startsWith('--resume'))
  // The flag goes, and with it the value that may stand behind it.
  if (at >= 0) given.splice(at, given[at].includes('=') || given[at + 1]?.startsWith('--') !== false ? 1 : 2)
  const quoted = given.map((argument) =>
    /[^\w@%+=:,./-]/.test(argument) ? `'${argument.replaceAll("'", "'\\''")}'` : argument,
  )
  return `fettle ${quoted.join(' ')} --resume-from-checkpoint`
}
