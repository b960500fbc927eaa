import { existsSync } from 'node:fs'
import { writeFileAtomic } from '../../formats/index.ts'
import { readRunEvents, reportPage } from '../../train/report/index.ts'
import { defineCommand } from '../command.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { terminalOf } from '../terminal/terminal.ts'
import { plural } from '../../plural.ts'

/** What is said of the newest run, which is meant where none is named. */
export const latestRun = 'runs/latest'

/** The runs that are named, or the newest one. */
export async function runsOf(positionals: readonly string[]): Promise<readonly string[]> {
  if (positionals.length > 0) return positionals
  const { latestFolder } = await import('../../train/runs/index.ts')
  return [(await latestFolder()) ?? latestRun]
}

/** Puts the curves of runs over each other, on one page. */
export const report = defineCommand({
  flags: {
    runs: { type: 'positional', repeats: true, description: `Folders of runs; default ${latestRun}` },
    output: { type: 'string', hint: 'path', description: 'Where the page goes. Default report.html.' },
    json: { type: 'boolean', description: 'Prints the path as a JSON line' },
  },
  details: 'Every run has a report.html of its own in its folder, too.',
  examples: ['report runs/first runs/second', 'report runs/* --output compared.html'],
  async run({ output = 'report.html', json }, { positionals }) {
    const paths = await runsOf(positionals)
    const runs = await Promise.all(paths.map((path) => readRunEvents(path)))
    const existed = existsSync(output)
    await writeFileAtomic(output, reportPage(runs))
    if (json === true) writeJsonLine({ path: output, runs: runs.map(({ name }) => name) })
    else
      terminalOf(process.stdout).write(
        `${output} ${existed ? 'now' : ''} shows ${plural(runs.length, 'run')}.\n`.replace('  ', ' '),
      )
  },
})
