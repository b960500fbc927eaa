import { AutoModelForCausalLM } from '../../model/index.ts'
import { loadTokenizer } from '../../pipeline/index.ts'
import { prepareRun, type PreparedEvent } from '../../train/index.ts'
import { defineCommand } from '../command.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { pathsOf } from '../flags/model-flags.ts'
import { showNotices } from '../terminal/notices.ts'
import { count, duration } from '../terminal/numbers.ts'
import { prepareView } from './prepare-view.ts'
import { loadingOf, readRun, runFiles, runFlags } from '../flags/run-flags.ts'
import { createProgressLine, terminalOf } from '../terminal/terminal.ts'
import { plural } from '../../plural.ts'

/** Prepares the data of a run and keeps them, so that training begins at once. */
export const prepare = defineCommand({
  flags: {
    files: runFiles,
    ...runFlags(),
    handOff: {
      type: 'string',
      hint: 'folder',
      description:
        'Writes the whole run there for other engines: tokens, schedule, first adapter (docs/remote.md)',
    },
    json: { type: 'boolean', description: 'Prints events as JSON lines' },
  },
  details: [
    'Takes what train takes, and keeps the tokens and masks that it would train on where train finds them.',
    'What was prepared before is found by the contents of the files, the tokenizer and the options; damaged parts are made anew.',
  ].join('\n'),
  examples: [
    'prepare run.yaml',
    'prepare --model ~/models/SmolLM2-135M-Instruct --data train.jsonl',
    'prepare run.yaml --cache-dir /scratch/fettle',
    'prepare run.yaml --hand-off /shared/first',
  ],
  async run(flags, { positionals, repeated }) {
    const options = await readRun(flags, positionals, repeated)
    const paths = await pathsOf({ model: options.model, adapter: options.adapter ?? undefined })
    const tokenizer = await loadTokenizer(paths)
    // How its weights would be held decides nothing about its tokens, and something about who trains it.
    const held = flags.handOff === undefined ? {} : loadingOf(options)
    const model = await AutoModelForCausalLM.fromPretrained(paths.model, held)
    const json = flags.json === true
    const people = terminalOf(process.stderr)
    const terminal = json ? people : terminalOf(process.stdout)
    showNotices([...model.notices, ...tokenizer.notices])
    const line = createProgressLine(terminal)
    const showProgress = prepareView(terminal, line)
    const say = (title: string, text: string): void =>
      line.print(`${terminal.paint.green('✔')} ${terminal.paint.bold(title.padEnd(9))} ${text}`)
    try {
      // Preferences are not kept: who hands them over prepares them then.
      const isKept = options.method === 'sft' || flags.handOff === undefined
      for await (const event of isKept ? prepareRun({ ...options, model, tokenizer }) : []) {
        if (json) writeJsonLine(event)
        else if (event.type === 'prepare') showProgress(event)
        else {
          line.clear()
          for (const [title, text] of linesOf(event)) say(title, text)
        }
      }
      if (flags.handOff !== undefined) {
        const { handOff } = await import('../train/hand-off.ts')
        const { folder, rows, steps, notes } = await handOff({ ...options, model, tokenizer }, flags.handOff)
        if (json) writeJsonLine({ type: 'handed_off', folder, rows, steps, notes })
        else {
          for (const note of notes) say('note', note)
          say('handed', `${folder} · ${plural(rows, 'row')} in ${plural(steps, 'step')}`)
        }
      }
    } finally {
      line.clear()
    }
  },
})

function linesOf(event: PreparedEvent): [title: string, text: string][] {
  const { reused, cache, elapsed_ms } = event.prepared
  const lines: [string, string][] = [
    [
      'prepared',
      [
        `${plural(event.examples, 'example')} of ${plural(event.rows, 'row')}`,
        `${plural(event.tokens, 'token')}, ${count(event.learned_tokens)} learned`,
        ...(event.truncated_tokens > 0 ? [`${count(event.truncated_tokens)} beyond max_length cut`] : []),
        reused ? 'was prepared before' : `${duration(elapsed_ms)}, ${count(event.rows_per_second)} rows/s`,
      ].join(' · '),
    ],
    ['steps', `${count(event.steps)}, ${count(event.steps_per_epoch)} an epoch`],
  ]
  if (event.invalid_rows > 0) {
    const [first] = event.invalid
    lines.push([
      'left out',
      `${plural(event.invalid_rows, 'row')} that cannot be used · ${first.place}: ${first.reason}`,
    ])
  }
  for (const note of event.data_notes) lines.push(['note', note])
  lines.push(['kept', cache ?? 'nowhere'])
  return lines
}
