import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fettlePrepare } from './prepare/fettle-side.ts'
import { readSource, repeated, unlike, writeLines } from './prepare/make-rows.ts'

/*
 * Conversations a second from a JSONL file to packed tokens with their mask: the command `fettle prepare`, from the start of its process
 * to its end and with its cache off, beside what TRL's SFTTrainer does with the same file, on the same two cores by turns.
 */

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: 'peers' },
    rows: { type: 'string', default: '200000' },
    unlike: { type: 'string', default: '20000' },
    sittings: { type: 'string', default: '1' },
    'only-fettle': { type: 'boolean', default: false },
  },
})
const maxLength = 1024
const cores = '0,1'
const model = join(values.peers, 'smollm2')
const python = join(values.peers, 'venv', 'bin', 'python')
const source = await readSource(join(values.peers, 'docs.jsonl'))
const folder = mkdtempSync(join(tmpdir(), 'fettle-prepare-'))

interface TrlResult {
  seconds: number
  tokens: number
}

/** The better of one process and two. */
function trl(data: string): TrlResult {
  const results = ['1', '2'].map((processes) => {
    const command = [python, 'bench/prepare/trl_side.py', model, data, String(maxLength), processes]
    const { status, stdout, stderr } = spawnSync('taskset', ['-c', cores, ...command], {
      encoding: 'utf8',
      env: { ...process.env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'true', RAYON_NUM_THREADS: '2' },
      maxBuffer: 1 << 28,
    })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as TrlResult
  })
  return results.toSorted((a, b) => a.seconds - b.seconds)[0]
}

async function compare(name: string, lines: Iterable<string>, rows: number, wanted: number): Promise<void> {
  const data = join(folder, `${name}.jsonl`)
  await writeLines(data, lines, { rows })
  const args = ['--model', model, '--data', data, '--max-length', String(maxLength), '--no-cache']
  let ours = Infinity
  let inside = 0
  let theirs = Infinity
  for (let sitting = 0; sitting < Number(values.sittings); sitting++) {
    const run = await fettlePrepare(args, cores)
    ours = Math.min(ours, run.seconds)
    inside = Math.max(inside, run.prepared.rows_per_second)
    if (values['only-fettle']) continue
    const other = trl(data)
    theirs = Math.min(theirs, other.seconds)
    const { tokens } = run.prepared
    if (tokens !== other.tokens) throw new Error(`not the same work: ${tokens} and ${other.tokens} tokens`)
  }
  const result = {
    rows: name,
    count: rows,
    fettle: Math.round(rows / ours),
    fettleWithoutStart: Math.round(inside),
    ...(theirs < Infinity && {
      trl: Math.round(rows / theirs),
      ratio: Number((theirs / ours).toFixed(2)),
      wanted,
    }),
  }
  console.log(JSON.stringify(result))
}

if (!values['only-fettle'] && !existsSync(python))
  throw new Error(`${python} is missing: bench/peers/setup.sh DIR makes it`)
try {
  await compare('docs repeated', repeated(source), Number(values.rows), 4)
  await compare('no two alike', unlike(source), Number(values.unlike), 2.5)
} finally {
  rmSync(folder, { recursive: true })
}
