// Other people's files, damaged and odd, by the thousand: see bench/README.md.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runCampaign, type Verdict } from './fuzz/campaign.ts'
import { faultKinds } from './fuzz/target.ts'
import { targets } from './fuzz/targets/index.ts'

const { values } = parseArgs({
  options: {
    /** Names with commas between them; default all. */
    target: { type: 'string', default: targets.map(({ name }) => name).join() },
    count: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    'limit-ms': { type: 'string', default: '5000' },
    show: { type: 'string', default: '5' },
    peers: { type: 'string', default: process.env['FETTLE_PEERS'] ?? 'peers' },
    json: { type: 'boolean', default: false },
  },
})

const python = join(values.peers, 'venv/bin/python')
const folder = mkdtempSync(join(tmpdir(), 'fettle-fuzz-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
process.on('SIGINT', () => process.exit(130))
const names = targets.map(({ name }) => name)
const chosen = values.target.split(',')
const unknown = chosen.find((name) => !names.includes(name))
if (unknown !== undefined) {
  console.error(`--target ${unknown}: no such target; expected some of ${names.join(', ')}`)
  process.exit(2)
}
let faults = 0
for (const target of chosen) {
  const verdict = await runCampaign({
    target,
    seed: Number(values.seed),
    from: Number(values.from),
    count: Number(values.count),
    jobs: Math.min(Number(values.jobs), Number(values.count)),
    folder,
    limitMs: Number(values['limit-ms']),
    python: existsSync(python) ? python : undefined,
  })
  faults += verdict.faults.length
  if (values.json) console.log(JSON.stringify(verdict))
  else show(verdict)
}
process.exitCode = faults > 0 ? 1 : 0

function show({ target, cases, accepted, refused, slowestMs, faults: found }: Verdict): void {
  const counts = faultKinds
    .map((kind) => `${found.filter(({ fault }) => fault === kind).length} ${kind}`)
    .join(', ')
  console.log(
    `${target}: ${cases} cases, ${accepted} accepted, ${refused} refused, slowest ${slowestMs.toFixed(0)} ms; ${counts}`,
  )
  // One case for each place in the code that it ends in.
  const seen = new Set<string>()
  for (const { number, fault, detail } of found) {
    const place = `${fault} ${detail.split('\n').find((line) => line.includes(' at ') && !line.includes('node:')) ?? detail.slice(0, 40)}`
    if (seen.has(place)) continue
    seen.add(place)
    if (seen.size <= Number(values.show))
      console.log(`  --target ${target} --from ${number} --count 1: ${fault}: ${detail.slice(0, 600)}`)
  }
}
