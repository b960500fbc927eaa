// fettle and Transformers on small models of odd configurations: see bench/README.md.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AutoModelForCausalLM } from '../src/index.ts'
import { maxDifference, readTensors, relativeError, type GoldenTensors } from '../test/model/golden.ts'
import { runPython } from './interop/python.ts'

/** What record.py prints. */
interface Recorded {
  made: string[]
  /** Configurations that Transformers refuses or cannot compute with, and why. */
  refused: [config: Record<string, unknown>, why: string][]
}

/** How far fettle is from Transformers in one model. */
interface Differences {
  logits: number
  loss: number
  gradient: number
  /** The tensor whose gradient is the farthest. */
  worst: string
  /** Greedy tokens that are the same, of all. */
  greedy: string
}

const tolerances = { logits: 1e-3, loss: 1e-4, gradient: 2e-3 }

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    out: { type: 'string', default: 'runs/odd-models' },
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    engine: { type: 'string', default: 'native' },
  },
})
const families = values.only.split(',').filter((name) => name !== '')
const engine = values.engine === 'reference' ? 'reference' : 'native'
const { made, refused } = await runPython<Recorded>(
  { python: join(values.peers, 'venv', 'bin', 'python') },
  join('..', 'odd-models', 'record.py'),
  [values.out, values.seed, values.count, ...families],
)
let failed = 0
for (const folder of made) {
  const found = await compare(folder).catch((error: unknown) => String(error))
  const isRight =
    typeof found !== 'string' &&
    found.logits < tolerances.logits &&
    found.loss < tolerances.loss &&
    found.gradient < tolerances.gradient
  if (!isRight) failed += 1
  console.log(`${isRight ? 'ok  ' : 'FAIL'} ${folder}: ${typeof found === 'string' ? found : said(found)}`)
  if (!isRight)
    console.log(`     ${JSON.stringify(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')))}`)
}
console.log(
  `${made.length - failed} of ${made.length} as Transformers; ${refused.length} drawn that it refuses`,
)
process.exitCode = failed === 0 ? 0 : 1

function said({ logits, loss, gradient, worst, greedy }: Differences): string {
  return `logits ${logits.toExponential(1)}, loss ${loss.toExponential(1)}, gradient ${gradient.toExponential(1)} (${worst}), greedy ${greedy}`
}

async function compare(folder: string): Promise<Differences> {
  const golden = await readTensors(join(folder, 'golden.safetensors'))
  const gradients = await readTensors(join(folder, 'gradients', 'model.safetensors'))
  const model = await AutoModelForCausalLM.fromPretrained(folder, { dtype: 'float32', engine })
  const inputs = await inputsOf(golden)
  const { logits, loss } = await model.forward(inputs)
  const expected = await golden.floats('logits')
  const isReal = (at: number) => inputs.attentionMask.flat()[Math.floor(at / model.vocabSize)] === 1
  const [expectedLoss] = await golden.floats('loss')
  let [gradient, worst] = [0, 'all alike']
  const own = await model.gradients(inputs)
  for (const name of gradients.names) {
    const theirs = await gradients.floats(name)
    const ours = own.get(name)
    // Numbers that are not trained have no gradient, and zeros there.
    const error = ours ? relativeTo(ours.data, theirs) : theirs.some((value) => value !== 0) ? Infinity : 0
    if (error > gradient) [gradient, worst] = [error, ours ? name : `${name} is missing`]
  }
  const greedy = (await golden.rows('greedy'))[0]
  const [tokens] = await model.generate(
    { inputIds: [inputs.inputIds[0].slice(0, 9)] },
    { maxNewTokens: greedy.length, stopTokenIds: [], doSample: false },
  )
  const same = greedy.findIndex((token, i) => tokens[i] !== token)
  await model.free()
  return {
    logits: maxDifference(
      logits.data.filter((_, at) => isReal(at)),
      expected.filter((_, at) => isReal(at)),
    ),
    loss: Math.abs((loss ?? Number.NaN) - expectedLoss),
    gradient,
    worst,
    greedy: `${same === -1 ? greedy.length : same} of ${greedy.length}`,
  }
}

/** Gradients of zero are right where they are nearly that. */
function relativeTo(ours: Float32Array, theirs: Float32Array): number {
  const size = Math.sqrt(theirs.reduce((sum, value) => sum + value * value, 0))
  return size < 1e-6 ? maxDifference(ours, theirs) : relativeError(ours, theirs)
}

async function inputsOf(golden: GoldenTensors) {
  return {
    inputIds: await golden.rows('input_ids'),
    attentionMask: await golden.rows('attention_mask'),
    labels: await golden.rows('labels'),
  }
}
