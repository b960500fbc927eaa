// The picture of a run: its events as one HTML file that needs no network, and as curves for a terminal.
// It reads events.jsonl and nothing else, so that old runs and those under way have one, too.
import { join } from 'node:path'
import { writeFileAtomic } from '../../formats/index.ts'
import { reportPage } from './page.ts'
import { readRunEvents } from './run-events.ts'

export { chartsOf, type Chart, type Point } from './curves.ts'
export { reportPage } from './page.ts'
export { readRunEvents, type RunEvents } from './run-events.ts'
export { shortNumber } from './text.ts'

/** Of a run's folder. */
export const reportFile = 'report.html'

/** Writes the report of a run into its folder. */
export async function writeReport(folder: string): Promise<void> {
  await writeFileAtomic(join(folder, reportFile), reportPage([await readRunEvents(folder)]))
}
