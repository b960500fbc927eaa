import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { lastJson, run } from './model-table/run.ts'
import { shapes, type ShapeName } from './random-model/shapes.ts'
import { shapeName, writeRandomModel } from './random-model/write.ts'
import { table } from './table.ts'

/*
 * Memory and speed of models of random weights, one line each: LoRA of rank 16 on every linear layer, packed 2 × 512, in bfloat16;
 * the share of the machine's bfloat16 peak that useful FLOPs reach; one stream, and its share of reading the weights that a token
 * needs. With `--peers` TRL + PEFT trains the same model in the same sitting, before and after fettle. Models are written where they
 * are not there yet; fettle is the one that was built last (`npm run build`).
 */

const { values } = parseArgs({
  options: {
    like: { type: 'string', multiple: true },
    layers: { type: 'string' },
    data: { type: 'string' },
    peers: { type: 'string' },
    models: { type: 'string', default: 'build/random' },
    out: { type: 'string', default: 'runs/model-table' },
    'trl-steps': { type: 'string', default: '4' },
    repeat: { type: 'string', default: '1' },
  },
})

interface Measured {
  case: string
  share: number
  figures: { tokens_per_s: number; decode_tokens_per_s?: number; peak_rss_mib: number; load: number }
}

interface Line {
  model: string
  parameters: number
  packed: Measured
  stream: Measured
  trl?: { tokens_per_s: number; peak_rss_mib: number }
}

const root = join(import.meta.dirname, '..', '..')
const names = (values.like?.flatMap((given) => given.split(',')) ?? Object.keys(shapes)).map(shapeName)
const layers = values.layers === undefined ? undefined : Number(values.layers)
const { peers } = values
const data = values.data ?? (peers === undefined ? undefined : join(peers, 'docs.jsonl'))
if (data === undefined)
  throw new Error('--data: conversations to train on, or --peers, whose folder has docs.jsonl')

const lines: Line[] = []
await mkdir(values.out, { recursive: true })
for (const name of names) {
  lines.push(await measure(name, data))
  await writeFile(join(values.out, 'result.json'), `${JSON.stringify(lines, null, 2)}\n`)
  console.error(tableOf(lines.slice(-1)))
}
console.log(tableOf(lines))

async function measure(name: ShapeName, conversations: string): Promise<Line> {
  const model = join(values.models, layers === undefined ? name : `${name}-${layers}-layers`)
  const size = join(model, 'parameters.json')
  if (!existsSync(size)) await writeFile(size, JSON.stringify(await writeRandomModel(name, model, layers)))
  const parameters = Number(await readFile(size, 'utf8'))
  const first = await measureTrl(model, conversations)
  const packed = await measureFettle('packed', model, conversations)
  const stream = await measureFettle('stream', model, conversations)
  const second = await measureTrl(model, conversations)
  const trl = [first, second].flatMap((each) => each ?? [])
  return {
    model: name,
    parameters,
    packed,
    stream,
    // The faster of both: other processes can only make a run slower.
    ...(trl.length > 0 && { trl: trl.toSorted((a, b) => b.tokens_per_s - a.tokens_per_s)[0] }),
  }
}

async function measureFettle(name: string, model: string, conversations: string): Promise<Measured> {
  const printed = await run(process.execPath, [
    join(root, 'dist', 'cli.mjs'),
    'bench',
    '--json',
    '--model',
    model,
    '--data',
    conversations,
    '--only',
    name,
    '--repeat',
    values.repeat,
  ])
  const events = printed.map((line) => JSON.parse(line) as Measured & { type: string })
  const measured = events.filter(({ type }) => type === 'measurement')
  return measured.toSorted((a, b) => b.share - a.share)[0]
}

/** undefined without peers. */
async function measureTrl(model: string, conversations: string) {
  if (peers === undefined) return undefined
  const printed = await run(
    join(peers, 'venv', 'bin', 'python'),
    [
      join(root, 'bench', 'peers', 'trl_sft.py'),
      model,
      conversations,
      '--packing',
      '--batch',
      '2',
      '--steps',
      values['trl-steps'],
    ],
    { HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error' },
  )
  return lastJson<{ tokens_per_s: number; peak_rss_mib: number }>(printed)
}

function tableOf(measured: readonly Line[]): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`
  return table(
    [
      'model',
      'parameters',
      'packed tokens/s',
      'of bf16 peak',
      'MiB',
      'one stream tokens/s',
      'of reading',
      ...(peers === undefined ? [] : ['TRL + PEFT tokens/s', 'times', 'MiB']),
    ],
    measured.map(({ model, parameters, packed, stream, trl }) => [
      model,
      `${(parameters / 1e6).toFixed(0)} M`,
      packed.figures.tokens_per_s.toFixed(0),
      percent(packed.share),
      String(packed.figures.peak_rss_mib),
      (stream.figures.decode_tokens_per_s ?? 0).toFixed(1),
      percent(stream.share),
      ...(trl === undefined
        ? []
        : [
            trl.tokens_per_s.toFixed(1),
            (packed.figures.tokens_per_s / trl.tokens_per_s).toFixed(1),
            String(trl.peak_rss_mib),
          ]),
    ]),
  )
}
