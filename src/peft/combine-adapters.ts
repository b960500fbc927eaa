import { FettleError, quoteValue } from '../error.ts'
import { readAdapterConfig } from './adapter-config.ts'
import type { AdapterTensor } from './adapter-files.ts'
import { adapterName, readAdapterTensors, toPeftConfig, writeAdapter } from './adapter-files.ts'
import { dot } from './eigenvectors.ts'
import type { LoraConfig } from './lora-config.ts'
import { matchModules } from './match-modules.ts'
import { nearestProduct } from './nearest-product.ts'

const combinationTypes = ['svd', 'linear', 'cat'] as const

/** How adapters become one, by PEFT's names. */
export interface CombineOptions {
  /** What each adapter counts; may be negative. */
  weights: readonly number[]
  /**
   * - `svd`: the nearest product of a rank to Σ weight · scaling · B A;
   * - `cat`: exactly that sum, its rank the sum of theirs;
   * - `linear`: Σ √(weight · scaling) of A and of B, each for itself: quick and rough, for adapters of one rank.
   */
  combinationType?: 'svd' | 'linear' | 'cat'
  /** Of `svd`; default the largest of their ranks. */
  svdRank?: number
}

/** A and B of a module of one adapter, and what their product counts. */
interface Factors {
  a: Float32Array
  b: Float32Array
  rank: number
  /** weight · scaling */
  factor: number
}

/**
 * Makes one adapter of several, weighted, as PEFT's add_weighted_adapter does, and writes it to a folder. Its alpha is its rank, so that
 * its scaling is 1.
 *
 * @throws FettleError for adapters that are more than LoRA on linear layers, and for ranks that differ with `linear`
 */
export async function combineAdapters(
  folders: readonly string[],
  output: string,
  options: CombineOptions,
): Promise<void> {
  const sources = await Promise.all(
    folders.map(async (place): Promise<CombinedSource> => {
      const { values: config } = await readAdapterConfig(place)
      return { place, config, tensors: await readAdapterTensors(place) }
    }),
  )
  const { config, tensors } = combined(sources, options, 'combineAdapters')
  const names = Array.isArray(config.targetModules) ? config.targetModules : []
  await writeAdapter(
    output,
    toPeftConfig(config, names),
    [...tensors.values()].map(({ data, ...tensor }) => ({ ...tensor, data: async () => data })),
  )
}

/** An adapter that is to be combined with others: from a file, or of a model. */
export interface CombinedSource {
  /** Where it is from, for errors. */
  place: string
  config: LoraConfig
  /** By their names in a file. */
  tensors: ReadonlyMap<string, AdapterTensor>
}

/**
 * The same of adapters that are in memory.
 *
 * @param caller  what was called, for errors
 */
export function combined(
  sources: readonly CombinedSource[],
  { weights, combinationType = 'svd', svdRank }: CombineOptions,
  caller: string,
): { config: LoraConfig; tensors: ReadonlyMap<string, AdapterTensor> } {
  checkOptions(caller, sources.length, { weights, combinationType, svdRank })
  const read = sources.map(plainLora)
  const ranks = read.map(({ config }) => Math.max(config.r, ...Object.values(config.rankPattern)))
  const type = sources.length === 1 ? 'linear' : combinationType
  if (type === 'linear' && new Set(ranks).size > 1)
    throw new FettleError({
      place: caller,
      found: `ranks ${ranks.join(', ')} with linear`,
      expected: 'adapters of one rank, or cat or svd',
    })
  const rank =
    type === 'cat'
      ? ranks.reduce((sum, each) => sum + each, 0)
      : type === 'svd'
        ? (svdRank ?? Math.max(...ranks))
        : ranks[0]
  const modules = [...new Set(read.flatMap((each) => [...each.modules.keys()]))]
  const tensors = modules.flatMap((module) => {
    const all = read.flatMap((each, i): Factors[] => {
      const found = each.modules.get(module)
      return found ? [{ ...found, factor: weights[i] * found.scaling }] : []
    })
    const [columns, rows] = [all[0].a.length / all[0].rank, all[0].b.length / all[0].rank]
    for (const { a, b, rank: own } of all)
      if (a.length !== own * columns || b.length !== own * rows)
        throw new FettleError({
          place: `${caller}: ${module}`,
          found: 'sizes that differ',
          expected: 'adapters of one base',
        })
    const { a, b } = products[type](all, { rows, columns, rank })
    return [
      { name: adapterName(`${module}.lora_A.weight`), shape: [rank, columns], data: a },
      { name: adapterName(`${module}.lora_B.weight`), shape: [rows, rank], data: b },
    ]
  })
  const config: LoraConfig = {
    ...read[0].config,
    r: rank,
    loraAlpha: rank,
    targetModules: modules.toSorted(),
    useRslora: false,
    rankPattern: {},
    alphaPattern: {},
    initLoraWeights: true,
  }
  const { layersToTransform: _, layersPattern: __, excludeModules: ___, ...plain } = config
  return { config: plain, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) }
}

interface Size {
  rows: number
  columns: number
  rank: number
}

const products: {
  [T in (typeof combinationTypes)[number]]: (all: readonly Factors[], size: Size) => Pick<Factors, 'a' | 'b'>
} = {
  linear(all, { rows, columns, rank }) {
    const [a, b] = [new Float32Array(rank * columns), new Float32Array(rows * rank)]
    for (const { a: ownA, b: ownB, rank: own, factor } of all) {
      const root = Math.sqrt(Math.abs(factor))
      ownA.forEach((value, i) => (a[i] += Math.sign(factor) * root * value))
      ownB.forEach((value, i) => (b[Math.floor(i / own) * rank + (i % own)] += root * value))
    }
    return { a, b }
  },
  cat(all, { rows, columns, rank }) {
    const [a, b] = [new Float32Array(rank * columns), new Float32Array(rows * rank)]
    let first = 0
    for (const { a: ownA, b: ownB, rank: own, factor } of all) {
      ownA.forEach((value, i) => (a[first * columns + i] = factor * value))
      ownB.forEach((value, i) => (b[Math.floor(i / own) * rank + first + (i % own)] = value))
      first += own
    }
    return { a, b }
  },
  svd(all, { rows, columns, rank }) {
    const sum = new Float32Array(rows * columns)
    for (const { a, b, rank: own, factor } of all)
      for (let row = 0; row < rows; row += 1)
        for (let k = 0; k < own; k += 1) {
          const share = factor * b[row * own + k]
          for (let i = 0; i < columns; i += 1) sum[row * columns + i] += share * a[k * columns + i]
        }
    const { left, right } = nearestProduct(sum, columns, Math.min(rank, rows, columns))
    const [a, b] = [new Float32Array(rank * columns), new Float32Array(rows * rank)]
    // B has the singular values, A has rows of length one.
    for (let k = 0; k < left.length / rows; k += 1) {
      const v = right.subarray(k * columns, (k + 1) * columns)
      const length = Math.sqrt(dot(v, v))
      for (let i = 0; i < columns; i += 1) a[k * columns + i] = v[i] / length || 0
      for (let i = 0; i < rows; i += 1) b[i * rank + k] = length * left[k * rows + i]
    }
    return { a, b }
  },
}

/** An adapter's LoRA by module. */
function plainLora({ place, config, tensors }: CombinedSource) {
  const suffix = '.lora_A.weight'
  const prefix = adapterName('')
  const names = [...tensors.keys()].filter((name) => name.endsWith(suffix))
  const linear = names.map((name) => name.slice(prefix.length, -suffix.length))
  const begins = typeof config.initLoraWeights === 'string' && config.initLoraWeights !== 'gaussian'
  if (
    tensors.size !== 2 * names.length ||
    config.useDora ||
    begins ||
    config.bias !== 'none' ||
    config.targetParameters
  )
    throw new FettleError({
      place,
      found: 'more than LoRA on linear layers',
      expected:
        'plain LoRA: no DoRA, no modules_to_save, no biases, no rows of tokens, no target_parameters, no change of the base',
    })
  const modules = new Map(
    matchModules(config, { linear, tables: [] }, `${place}: `).map((adapter) => {
      const values = (matrix: string) =>
        takeMatrix(place, tensors, `${prefix}${adapter.module}.${matrix}.weight`)
      return [adapter.module, { ...adapter, a: values('lora_A'), b: values('lora_B') }] as const
    }),
  )
  return { config, modules }
}

function takeMatrix(place: string, tensors: ReadonlyMap<string, AdapterTensor>, name: string): Float32Array {
  const tensor = tensors.get(name)
  if (tensor) return tensor.data
  throw new FettleError({
    place: `${place}: tensor ${name}`,
    found: 'nothing',
    expected: 'a matrix',
  })
}

function checkOptions(
  caller: string,
  count: number,
  { weights, combinationType: type, svdRank }: CombineOptions,
): void {
  const wrong = (place: string, found: string, expected: string) =>
    new FettleError({ place: `${caller}: ${place}`, found, expected })
  if (count === 0) throw wrong('adapters', 'none', 'at least one adapter')
  if (weights.length !== count || !weights.every(Number.isFinite))
    throw wrong('weights', quoteValue(weights), `a number for each of ${count} adapters`)
  if (!combinationTypes.some((known) => known === type))
    throw wrong('combinationType', quoteValue(type), combinationTypes.join(', '))
  if (svdRank !== undefined && !(Number.isInteger(svdRank) && svdRank >= 1 && svdRank <= 65_536))
    throw wrong('svdRank', quoteValue(svdRank), 'a whole number from 1 to 65536')
}
