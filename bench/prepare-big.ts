import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fettlePrepare } from './prepare/fettle-side.ts'
import { readSource, unlike, writeLines } from './prepare/make-rows.ts'

/*
 * Memory of preparing a file that is larger than it: a file of the size asked for, no two rows alike, is made and prepared with
 * `fettle prepare`. Above the model is what it takes at most beyond what it takes for a file of one row.
 */

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: 'peers' },
    gib: { type: 'string', default: '5' },
    /** Where the file and the cache go. */
    folder: { type: 'string', default: tmpdir() },
    wanted: { type: 'string', default: '300' },
  },
})
const model = join(values.peers, 'smollm2')
const source = await readSource(join(values.peers, 'docs.jsonl'))
const folder = mkdtempSync(join(values.folder, 'fettle-big-'))
try {
  const prepare = (data: string) =>
    fettlePrepare(['--model', model, '--data', data, '--cache-dir', join(folder, 'cache')])
  const small = join(folder, 'small.jsonl')
  await writeLines(small, unlike(source), { rows: 1 })
  const big = join(folder, 'big.jsonl')
  const written = await writeLines(big, unlike(source), { bytes: Number(values.gib) * 2 ** 30 })
  const base = await prepare(small)
  const first = await prepare(big)
  const again = await prepare(big)
  console.log(
    JSON.stringify({
      gib: Number((written.bytes / 2 ** 30).toFixed(2)),
      rows: written.rows,
      tokens: first.prepared.tokens,
      rowsPerSecond: Math.round(first.prepared.rows_per_second),
      modelMib: base.peakMib,
      peakMib: first.peakMib,
      aboveModelMib: first.peakMib - base.peakMib,
      wantedMib: Number(values.wanted),
      secondRun: { reused: again.prepared.prepared.reused, seconds: again.seconds, peakMib: again.peakMib },
    }),
  )
} finally {
  rmSync(folder, { recursive: true })
}
