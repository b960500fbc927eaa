import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { goldenModels, maxDifference, readTensors, relativeError } from '../../test/model/golden.ts'
import { table } from '../table.ts'

/** From the root of the repository, where bench/run.sh runs. */
const fixture = (...path: string[]): string => join('test', 'fixtures', 'models', ...path)

/** How far bfloat16 is from the recorded values: of logits root mean square and largest, of gradients the worst tensor and all together. */
interface Errors {
  rms: number
  largest: number
  worst: number
  all: number
}

const engines = [
  ['wasm', 'relaxed-simd'],
  ['wasm', 'simd128'],
  ['native', 'portable'],
  ['native', 'avx2'],
  ['native', 'avx512bf16'],
] as const

/**
 * Prints the errors of engines in bfloat16 for each recorded model, and their mean over all: one largest error of a few thousand says
 * little, since it is one draw.
 *
 * @param torch  what bfloat16-errors.py wrote, PyTorch's own
 */
export async function bfloat16Errors(torch: string | undefined): Promise<void> {
  const theirs =
    torch === undefined ? {} : (JSON.parse(readFileSync(torch, 'utf8')) as Record<string, Errors>)
  const names = [...(torch === undefined ? [] : ['PyTorch']), ...engines.map(([, isa]) => isa)]
  const rows: { name: string; errors: Errors[] }[] = []
  for (const name of goldenModels) {
    const errors = torch === undefined ? [] : [theirs[name]]
    for (const [engine, isa] of engines) errors.push(await errorsOf(name, engine, isa))
    rows.push({ name, errors })
  }
  for (const key of ['rms', 'largest', 'worst', 'all'] as const) {
    const means = names.map((_, i) => rows.reduce((sum, { errors }) => sum + errors[i][key], 0) / rows.length)
    console.log(
      table(
        [
          {
            rms: 'logits, RMS',
            largest: 'logits, largest',
            worst: 'gradients, worst tensor',
            all: 'gradients, all',
          }[key],
          ...names,
        ],
        [
          ...rows.map(({ name, errors }) => [name, ...errors.map((each) => each[key].toFixed(4))]),
          ['mean', ...means.map((mean) => mean.toFixed(4))],
        ],
      ),
    )
  }
}

async function errorsOf(
  name: (typeof goldenModels)[number],
  engine: 'wasm' | 'native',
  isa: string,
): Promise<Errors> {
  // Read when an engine is made.
  if (isa === 'relaxed-simd') delete process.env['FETTLE_ISA']
  else process.env['FETTLE_ISA'] = isa
  const model = await AutoModelForCausalLM.fromPretrained(fixture(name), {
    dtype: 'bfloat16',
    engine,
    threads: 2,
  })
  const tensors = await readTensors(fixture(name, 'golden.safetensors'))
  const inputs = {
    inputIds: await tensors.rows('input_ids'),
    attentionMask: await tensors.rows('attention_mask'),
    labels: await tensors.rows('labels'),
  }
  const expected = await tensors.floats('logits')
  const { logits } = await model.forward(inputs)
  const gradients = await model.gradients(inputs)
  await model.free()
  const each: number[] = []
  const all: [number[], number[]] = [[], []]
  for (const key of tensors.names.filter((own) => own.startsWith('grad.'))) {
    const mine = gradients.get(key.slice(5))?.data ?? new Float32Array()
    const right = await tensors.floats(key)
    each.push(relativeError(mine as Float32Array, right))
    all[0].push(mine.reduce((sum, value, i) => sum + (value - right[i]) ** 2, 0))
    all[1].push(right.reduce((sum, value) => sum + value ** 2, 0))
  }
  const [difference, norm] = all.map((list) => list.reduce((sum, value) => sum + value, 0))
  return {
    rms: Math.sqrt(
      logits.data.reduce((sum, value, i) => sum + (value - expected[i]) ** 2, 0) / expected.length,
    ),
    largest: maxDifference(logits.data, expected),
    worst: Math.max(...each),
    all: Math.sqrt(difference / norm),
  }
}
