import { venvPython } from '../../python.ts'
import { AutoModelForCausalLM } from '../../model/index.ts'
import { loadTokenizer } from '../../pipeline/index.ts'
import { isDivergence, train as trainBy } from '../../train/index.ts'
import { endSignals, hear, interruptedCode, keySignals } from '../terminal/interruptible.ts'
import { whenOutputCloses } from '../terminal/closed-output.ts'
import { collectGarbage } from '../collect-garbage.ts'
import { defineCommand } from '../command.ts'
import { commandLine } from '../command-line.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { pathsOf } from '../flags/model-flags.ts'
import { showNotices } from '../terminal/notices.ts'
import { unbroken } from '../terminal/paint.ts'
import { remoteFlags, targetOf } from '../flags/remote-flags.ts'
import { loadingOf, readRun, runFiles, runFlags } from '../flags/run-flags.ts'
import { createRunView } from './run-view.ts'
import { terminalOf } from '../terminal/terminal.ts'

/** What is left to be written at the end of a run is written in this time. */
const patienceMs = 250
/** Nobody presses Ctrl-C twice in this time. */
const repeatMs = 300

const isKey = (signal: NodeJS.Signals): boolean => keySignals.some((name) => name === signal)

/** Trains as a run file and flags say. */
export const train = defineCommand({
  flags: {
    files: runFiles,
    ...runFlags(),
    ...remoteFlags,
    json: { type: 'boolean', description: 'Prints events as JSON lines' },
  },
  details: [
    'Every option may stand in the run file or be a flag; flags win.',
    'Ctrl-C saves a checkpoint and stops, a second one stops at once. --resume goes on.',
  ].join('\n'),
  examples: [
    'train --model ~/models/SmolLM2-135M-Instruct --data train.jsonl --output-dir runs/first',
    'train run.yaml',
    'train run.yaml --learning-rate 1e-4 --lora-r 32 --json > events.jsonl',
    'train run.yaml --resume',
    `train run.yaml --on torch --python ${venvPython}`,
  ],
  async run(flags, { positionals, repeated }) {
    const options = await readRun(flags, positionals, repeated)
    const { quantization } = options
    const target = await targetOf(flags, quantization !== null)
    const people = terminalOf(process.stderr)
    for (const notice of target?.notices ?? []) people.write(`${notice}\n`)
    if (flags.dryRun === true) return writeJsonLine(target?.request ?? {})
    const paths = await pathsOf({ model: options.model, adapter: options.adapter ?? undefined })
    const tokenizer = await loadTokenizer(paths)
    const model = await AutoModelForCausalLM.fromPretrained(paths.model, loadingOf(options))
    const { notices } = model
    showNotices([...notices, ...tokenizer.notices])
    if (flags.printCommand !== undefined) {
      const { printCommand } = await import('./hand-off.ts')
      const wanted = { ...flags, scheduler: flags.printCommand }
      return printCommand(
        { ...options, model, tokenizer },
        options.model,
        wanted,
        terminalOf(process.stdout),
        people,
      )
    }
    const json = flags.json === true
    const view = json ? undefined : createRunView(terminalOf(process.stdout))
    const stop = new AbortController()
    // Where another machine computes, a terminal that closes ends nothing: fettle attach comes back to the run.
    const heard = target === undefined ? endSignals : endSignals.filter((name) => name !== 'SIGHUP')
    let deaf = (): void => {}
    let interruptedAt = 0
    const interrupt = (signal: NodeJS.Signals): void => {
      if (stop.signal.aborted) {
        // npx hands on a signal that the terminal has sent already, and a supervisor repeats its own: only a person's second one counts.
        if (!isKey(signal) || performance.now() - interruptedAt <= repeatMs) return
        const leave = (problem?: string): never => {
          if (problem !== undefined) people.write(`${problem}\n`)
          process.exit(interruptedCode)
        }
        if (target?.end) void target.end().then(leave)
        else leave()
        return
      }
      interruptedAt = performance.now()
      stop.abort()
      const note = 'Stopping after this step, with a checkpoint. Ctrl-C again stops at once.'
      if (view) view.say(note)
      else people.write(`${note}\n`)
    }
    // Somebody else must be told to stop, even before the first step.
    if (target) deaf = hear(heard, interrupt)
    const resumed = (): void => view?.resumed()
    process.on('SIGCONT', resumed)
    // Nothing trained is lost because nobody listens any more.
    whenOutputCloses(() => stop.abort())
    let code = 0
    let checkpoint: string | undefined
    /** Where the run is, when no option says it. */
    let folder: string | undefined
    try {
      for await (const event of trainBy({
        ...options,
        model,
        tokenizer,
        signal: stop.signal,
        execute: target?.execute,
      })) {
        // Until now there was nothing to save, and a signal ended the process at once, whatever it was busy with.
        if (event.type === 'start' && !target) deaf = hear(heard, interrupt)
        // Those of the adapter that the run goes on from.
        if (event.type === 'start') showNotices(model.notices.slice(notices.length))
        if (view) view.show(event)
        else writeJsonLine(event)
        if (event.type === 'start') collectGarbage()
        if (event.type === 'start' && options.outputDir === undefined) folder = event.output_dir
        if (event.type === 'checkpoint') checkpoint = event.path
        if (event.type !== 'end') continue
        view?.close()
        if (event.interrupted) {
          code = interruptedCode
          view?.say(`\nGo on with:  ${unbroken(resumeCommand(folder))}`)
        } else if (options.method !== 'reward')
          view?.say(
            `\nNext:  ${unbroken(
              commandLine([
                'chat',
                '--model',
                options.model,
                ...(model.adapterConfig ? ['--adapter', event.output_dir] : []),
                ...(quantization ? ['--quantization', quantization] : []),
              ]),
            )}`,
          )
      }
    } catch (error) {
      view?.close()
      // Nobody listens any more, and nothing was trained yet.
      if (error === stop.signal.reason) return interruptedCode
      // The same command would diverge again.
      if (checkpoint !== undefined && !isDivergence(error))
        people.write(`${checkpoint} is whole. Go on from it with:  ${unbroken(resumeCommand(folder))}\n`)
      throw error
    } finally {
      view?.close()
      deaf()
      process.off('SIGCONT', resumed)
      if (options.method === 'grpo') endWithoutWaiting()
    }
    return code
  },
})

/** Ends the process, though a module of rewards may keep it: by a timer, a connection, an answer that never comes. */
function endWithoutWaiting(): void {
  const { stdout } = process
  // Where nothing keeps it, it has ended by then.
  setInterval(() => stdout.writableLength === 0 && process.exit(), patienceMs).unref()
}

/**
 * This command line, to be given again.
 *
 * @param folder  of the run, where it does not say it
 */
function resumeCommand(folder: string | undefined): string {
  const given = process.argv.slice(2).filter((argument) => argument !== '--overwrite')
  const at = given.findIndex((argument) => argument.startsWith('--resume'))
  // The flag goes, and with it the value that may stand behind it.
  if (at >= 0) given.splice(at, given[at].includes('=') || given[at + 1]?.startsWith('--') !== false ? 1 : 2)
  return commandLine([...given, '--resume', ...(folder === undefined ? [] : [folder])])
}
