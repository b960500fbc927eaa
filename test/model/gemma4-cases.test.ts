import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { FettleError } from '../../src/error.ts'
import { writeSafetensors } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, describeModel, parametersOf } from '../../src/model/index.ts'
import { maxDifference } from './golden.ts'

// What transformers 5.24 makes of a Gemma 4 config: every key gone or null, and every branch of the class, with weights that
// follow from names and places: test/fixtures/gemma4-configs/record.py.

interface Case {
  what: string
  change: Record<string, unknown>
  gone?: string[]
  refused?: string
  /** A hash of the names and shapes of its tensors. */
  shapes?: string
  maxPositions?: number
  logits?: number[]
  greedy?: number[]
  loss?: number
  /** Norm, and product with numbers that follow from the name. */
  gradients?: Record<string, [number, number]>
}

interface Recorded {
  input_ids: number[]
  config: Record<string, unknown>
  cases: Case[]
}

const folder = join(import.meta.dirname, '..', 'fixtures', 'gemma4-configs')
const recorded = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as Recorded

/** What transformers takes and fettle refuses by name. */
const refusedHere = /^hidden_activation relu|^use_bidirectional_attention "all"/
/**
 * What transformers cannot do and fettle can: Python's types, 30 for 30.0, and generating without inputs of layers where keys
 * are shared.
 */
const acceptedHere =
  /^null (attention_dropout|initializer_range|use_cache)$|^rms_norm_eps 0$|^final_logit_softcapping 30$|^rope_scaling null$|^hidden_size_per_layer_input 0$/

const isRefused = ({ what, refused }: Case) =>
  !acceptedHere.test(what) && (refused !== undefined || refusedHere.test(what))

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-gemma4-'))
})
afterAll(() => rm(scratch, { recursive: true }))

function configOf({ change, gone = [] }: Case): Record<string, unknown> {
  const config: Record<string, unknown> = { ...recorded.config, ...change }
  for (const key of gone) delete config[key]
  return config
}

/** From 0 to 1, of a place in a numbered tensor, as the script has it. */
function mixed(number: number, place: number): number {
  let x = (Math.imul(place, 2654435761) + number * 40503 + 12345) >>> 0
  for (const factor of [0x7feb352d, 0x846ca68b]) x = Math.imul(x ^ (x >>> 16), factor) >>> 0
  return ((x ^ (x >>> 16)) >>> 20) / 4096
}

/** The tensors of a model by name, sorted. */
async function tensorsOf(config: Record<string, unknown>) {
  const { architecture } = await describeModel(config, 'config.json')
  const parts = parametersOf(architecture).flatMap(({ kind, columns, parts: all }) =>
    all.map(({ rows, safetensors: { name } }) => ({
      name,
      shape: kind === 'vector' ? [rows] : [rows, columns],
    })),
  )
  return parts.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

async function load(each: Case, engine: 'reference' | 'native'): Promise<AutoModelForCausalLM> {
  const config = configOf(each)
  const place = join(scratch, engine)
  await rm(place, { recursive: true, force: true })
  await mkdir(place)
  await writeFile(join(place, 'config.json'), JSON.stringify(config))
  await writeSafetensors(
    join(place, 'model.safetensors'),
    (await tensorsOf(config)).map(({ name, shape }, number) => {
      const count = shape.reduce((product, size) => product * size, 1)
      const data = Float32Array.from({ length: count }, (_, i) => {
        const value = mixed(number, i) - 0.5
        return shape.length > 1 ? value * 0.6 : 1 + value * 0.8
      })
      return { name, dtype: 'F32' as const, shape, data: () => data }
    }),
  )
  return AutoModelForCausalLM.fromPretrained(place, { dtype: 'float32', engine })
}

describe('config.json of a Gemma 4', () => {
  it.each(recorded.cases.filter(isRefused))('is refused $what', async (each) => {
    const read = describeModel(configOf(each), 'config.json')
    await expect(read, each.refused).rejects.toThrow(FettleError)
    await expect(read).rejects.toThrow(/config\.json/)
  })

  it.each(recorded.cases.filter((each) => !isRefused(each) && each.shapes))(
    'has the tensors of the class $what',
    async (each) => {
      const { architecture } = await describeModel(configOf(each), 'config.json')
      const lines = (await tensorsOf(configOf(each))).map(
        ({ name, shape }) => `${name} ${JSON.stringify(shape)}`,
      )
      const hash = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16)
      expect(hash).toBe(each.shapes)
      expect(architecture.maxPositions).toBe(each.maxPositions)
    },
  )
})

/** Of a gradient's norm: scores are not scaled, so that float32 loses more here than in the golden models. */
const tolerance = 1e-4

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)

describe.each(engines)('%s engine computes as transformers', (engine) => {
  const branches = recorded.cases.filter(
    (each) => !isRefused(each) && each.logits && (engine === 'reference' || each.gradients),
  )
  it.each(branches)('$what', async (each) => {
    const model = await load(each, engine)
    const inputs = { inputIds: [recorded.input_ids], labels: [recorded.input_ids] }
    const { logits, loss } = await model.forward(inputs)
    const expected = Float32Array.from(each.logits ?? [])
    expect(maxDifference(logits.data.slice(-expected.length), expected)).toBeLessThan(1e-4)
    expect(Math.abs((loss ?? NaN) - (each.loss ?? NaN))).toBeLessThan(1e-5 * Math.max(1, each.loss ?? 0))
    const prompt = recorded.input_ids.slice(0, 5)
    const [generated] = await model.generate({ inputIds: [prompt] }, { maxNewTokens: 10, stopTokenIds: [] })
    expect(generated).toEqual(each.greedy)
    if (!each.gradients) return
    const names = (await tensorsOf(configOf(each))).map(({ name }) => name)
    const gradients = await model.gradients(inputs)
    expect([...gradients.keys()].toSorted()).toEqual(Object.keys(each.gradients).toSorted())
    for (const [name, [norm, product]] of Object.entries(each.gradients)) {
      const { data } = gradients.get(name) ?? { data: new Float32Array() }
      const number = names.indexOf(name) + 1000
      let [square, dot] = [0, 0]
      for (const [i, value] of data.entries()) {
        square += value * value
        dot += value * (mixed(number, i) - 0.5)
      }
      expect(Math.abs(Math.sqrt(square) - norm) / Math.max(norm, 1e-6), name).toBeLessThan(tolerance)
      expect(Math.abs(dot - product) / Math.max(norm, 1e-6), name).toBeLessThan(tolerance)
    }
    await model.free()
  })
})
