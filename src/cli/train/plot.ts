import { chartsOf, readRunEvents, type Chart } from '../../train/report/index.ts'
import { FettleError } from '../../error.ts'
import { defineCommand } from '../command.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { brailleCurves } from './plot-curves.ts'
import { latestRun, runsOf } from './report.ts'
import { terminalOf, type Terminal } from '../terminal/terminal.ts'

/** Lines that a curve is drawn in. */
const rows = 10

/** Draws the curves of runs. */
export const plot = defineCommand({
  flags: {
    runs: { type: 'positional', repeats: true, description: `Folders of runs; default ${latestRun}` },
    all: { type: 'boolean', description: 'Draws everything, not only loss, learning rate and gradient norm' },
    json: { type: 'boolean', description: 'Prints each curve as a JSON line' },
  },
  examples: ['plot runs/first', 'plot runs/first runs/second --all'],
  async run({ all, json }, { positionals }) {
    const paths = await runsOf(positionals)
    const runs = await Promise.all(paths.map((path) => readRunEvents(path)))
    const charts = chartsOf(runs)
    if (charts.length === 0)
      throw new FettleError({
        place: paths.join(', '),
        found: 'no step yet',
        expected: 'events of a run that has begun to train',
      })
    if (json === true) {
      for (const { title, curves } of charts)
        for (const { label, points } of curves) writeJsonLine({ title, label, points })
      return
    }
    const usual = ['Loss', 'Learning rate', 'Gradient norm', 'Probability of the stop token']
    const terminal = terminalOf(process.stdout)
    const shown = all === true ? charts : charts.filter(({ title }) => usual.includes(title))
    for (const chart of shown) draw(chart, terminal)
  },
})

function draw({ title, curves }: Chart, terminal: Terminal): void {
  const { paint } = terminal
  const colours = [paint.cyan, paint.magenta, paint.green, paint.yellow, paint.red]
  const colourOf = (curve: number) => colours[curve % colours.length]
  const width = Math.max(40, Math.min(120, terminal.width)) - 1
  terminal.write(`${paint.bold(title)}\n`)
  const lines = brailleCurves(
    curves.map(({ points }) => points),
    width,
    rows,
    (text, curve) => colourOf(curve)(text),
  )
  for (const line of lines) terminal.write(`${line}\n`)
  if (curves.length > 1)
    for (const [i, { label }] of curves.entries()) {
      const room = width - 4
      const name = label.length > room ? `…${label.slice(1 - room)}` : label
      terminal.write(`  ${colourOf(i)('●')} ${name}\n`)
    }
  terminal.write('\n')
}
