import { attach as attachTo, cancel } from '../../remote/index.ts'
import { hear, interruptedCode, keySignals } from '../terminal/interruptible.ts'
import { whenOutputCloses } from '../terminal/closed-output.ts'
import { defineCommand } from '../command.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { createRunView } from './run-view.ts'
import { terminalOf } from '../terminal/terminal.ts'

/** Shows a run again that is computed elsewhere. */
export const attach = defineCommand({
  flags: {
    folder: {
      type: 'positional',
      required: true,
      description: 'The run’s folder, which says where it is computed',
    },
    cancel: { type: 'boolean', description: 'Ends the job at once; its last checkpoint stays' },
    json: { type: 'boolean', description: 'Prints events as JSON lines' },
  },
  details:
    'Shows the events from the first on. Ctrl-C saves a checkpoint and stops the run, as in fettle train; to leave it, close the terminal.',
  examples: ['attach runs/first', 'attach runs/first --cancel'],
  async run(flags, { positionals: [folder] }) {
    if (flags.cancel === true) return cancel(folder)
    const view = flags.json === true ? undefined : createRunView(terminalOf(process.stdout))
    const stop = new AbortController()
    const interrupt = (): void => {
      if (stop.signal.aborted) process.exit(interruptedCode)
      stop.abort()
      view?.say('Stopping after this step, with a checkpoint. Ctrl-C again leaves it at that.')
    }
    const deaf = hear(keySignals, interrupt)
    whenOutputCloses(() => process.exit(0))
    try {
      for await (const event of attachTo(folder, stop.signal)) {
        if (view) view.show(event)
        else writeJsonLine(event)
        if (event.type === 'end' && event.interrupted) return interruptedCode
      }
    } finally {
      view?.close()
      deaf()
    }
    return 0
  },
})
