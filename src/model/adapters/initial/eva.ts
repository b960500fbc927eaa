import type { Batch } from '../../../batch/index.ts'
import { FettleError } from '../../../error.ts'
import type { EvaConfig, EvaModule, IncrementalPca, LoraConfig, ModuleAdapter } from '../../../peft/index.ts'
import { adapterName, evaConfig, evaRanks, incrementalPca, mostDirections } from '../../../peft/index.ts'
import { projectionInputs, type ProjectionInputs } from '../../passes/projection-inputs.ts'
import type { ModelState } from '../../state/model-state.ts'
import type { AdaptedParameter } from '../adapted-parameters.ts'
import { adaptedParameters } from '../adapted-parameters.ts'
import { multiplierBeside, type Multiplier } from './matrix-products.ts'

/** A batch of training data, and those of its tokens that have a label. */
export interface EvaBatch {
  batch: Batch
  learned: Int32Array
}

/** The training data in its order; each call begins anew. */
export type EvaBatches = () => AsyncIterable<EvaBatch>

/** What an adapter begins with by EVA. */
export interface EvaBeginning {
  /** With its ranks and alphas, and the modules that have one. */
  config: LoraConfig
  /** A by its name in the adapter's file. */
  begun: ReadonlyMap<string, Float32Array>
}

/** Directions that have not settled by then never will. */
const mostBatches = 1000

/**
 * EVA: A begins with the directions in which a module's inputs vary the most on the training data. They are found batch by batch until
 * those stay that are needed; the ranks go where directions explain the most. B begins with zero. Whitening divides once, where PEFT does so
 * for each module that reads the same input.
 * Source: Paischer et al. 2024, https://arxiv.org/abs/2410.07170, as PEFT 0.21 does it (initialize_lora_eva_weights)
 *
 * @param modules  linear layers of the decoder
 * @throws FettleError for batches with fewer tokens than directions, and where a thousand batches were not enough
 */
export async function beginEva(
  state: ModelState,
  config: LoraConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
  batches: EvaBatches,
): Promise<EvaBeginning> {
  const multiplier = await multiplierBeside(state.engine)
  try {
    const options = evaConfig.parse(config.evaConfig ?? {})
    return beginning(
      config,
      modules,
      await searched(state, modules, { batches, options, multiplier }),
      options,
    )
  } finally {
    multiplier.close()
  }
}

/** @returns directions that have settled */
async function searched(
  state: ModelState,
  modules: ReadonlyMap<string, ModuleAdapter>,
  { batches, options, multiplier }: { batches: EvaBatches; options: EvaConfig; multiplier: Multiplier },
): Promise<Search> {
  const adapted = adaptedParameters(state, modules)
  const parameters = adapted.map(({ parameter }) => parameter)
  let search: Search | undefined
  let count = 0
  let largest = 0
  for (;;) {
    for await (const { batch, learned } of batches()) {
      const rows = options.useLabelMask ? learned : batch.inputIds.map((_, i) => i)
      largest = Math.max(largest, rows.length)
      if (rows.length === 0) continue
      count += 1
      const inputs = await projectionInputs(state, parameters, batch)
      search ??= beginSearch(adapted, inputs, options, multiplier)
      if (await addBatch(search, inputs, rows, options)) return search
      if (count === mostBatches) throw unsettled(options)
    }
    if (!search) throw withoutBatches()
    checkLargest(largest, search)
  }
}

/** How far the directions of all inputs are known. */
interface Search {
  modules: readonly EvaModule[]
  /** By module that is the first to read an input. */
  sources: ReadonlyMap<string, Source>
  ranks: Map<string, number>
}

/** The directions of an input. */
interface Source {
  /** Among the inputs of projections. */
  place: number
  /** How many are looked for. */
  count: number
  pca: IncrementalPca
  /** Which of them are nearly those of the batch before. */
  isSettled: boolean[]
  isDone: boolean
}

function beginSearch(
  adapted: readonly AdaptedParameter[],
  inputs: ProjectionInputs,
  { rho }: EvaConfig,
  { multiply }: Multiplier,
): Search {
  const firstReaders = new Map<number, string>()
  const read = adapted.flatMap(({ parameter, parts }) => {
    const place = inputs.placeOf(parameter)
    return parts.flatMap(({ module, adapter }) => {
      if (!adapter) return []
      const source = firstReaders.get(place) ?? module
      firstReaders.set(place, source)
      return [{ module, rank: adapter.rank, source, place, columns: parameter.columns }]
    })
  })
  const most = mostDirections(read, rho)
  const sources = new Map<string, Source>()
  for (const { module, source, place, columns } of read) {
    if (module !== source) continue
    const count = most.get(source) ?? 0
    if (count > columns)
      throw new FettleError({
        place: 'lora.eva_config.rho',
        found: `up to ${count} directions of ${module}`,
        expected: `at most ${columns}, the numbers that it reads`,
        cure: 'Choose a lower rho or r.',
      })
    const pca = incrementalPca(columns, count, multiply)
    sources.set(module, { place, count, pca, isSettled: [], isDone: false })
  }
  const ranks = new Map(read.map(({ module, source }) => [module, most.get(source) ?? 0]))
  return { modules: read, sources, ranks }
}

/** @returns whether every direction has settled that is needed */
async function addBatch(
  search: Search,
  inputs: ProjectionInputs,
  rows: ArrayLike<number>,
  { tau }: EvaConfig,
): Promise<boolean> {
  const sources = [...search.sources.values()]
  for (const source of sources) {
    if (source.isDone || rows.length < source.count) continue
    const before = source.pca.components?.vectors
    await source.pca.add(await inputs.read(source.place, rows))
    const after = source.pca.components?.vectors
    if (before && after)
      source.isSettled = cosines(before, after, source.count).map((cosine) => cosine >= tau)
    // A decomposition takes a moment: others may go on in between.
    await new Promise((resolve) => setImmediate(resolve))
  }
  const ratios = [...search.sources].flatMap(([name, { pca }]) =>
    pca.components ? [[name, pca.components.ratios] as const] : [],
  )
  const isKnown = ratios.length === sources.length
  if (isKnown) search.ranks = evaRanks(search.modules, new Map(ratios))
  for (const [name, source] of search.sources) {
    const needed = search.ranks.get(name) ?? 0
    source.isDone = isKnown && Array.from({ length: needed }).every((_, k) => source.isSettled[k])
  }
  return sources.every(({ isDone }) => isDone)
}

/** Of each pair of unit vectors [count, columns]. */
function cosines(a: Float64Array, b: Float64Array, count: number): number[] {
  const columns = a.length / count
  return Array.from({ length: count }, (_, k) => {
    let sum = 0
    for (let i = k * columns; i < (k + 1) * columns; i += 1) sum += a[i] * b[i]
    return sum
  })
}

function beginning(
  config: LoraConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
  { modules: read, sources, ranks }: Search,
  options: EvaConfig,
): EvaBeginning {
  const { whiten, adjustScalingFactors } = options
  const begun = new Map<string, Float32Array>()
  const [rankPattern, alphaPattern]: Record<string, number>[] = [{}, {}]
  for (const { module, rank: given, source } of read) {
    const rank = ranks.get(module) ?? 0
    const { components } = sources.get(source)?.pca ?? {}
    const scaling = modules.get(module)?.scaling
    if (rank === 0 || !components || scaling === undefined) continue
    const columns = components.vectors.length / components.singularValues.length
    const factor = (row: number) => (whiten ? 1 / Math.sqrt(components.singularValues[row]) : 1)
    const vectors = components.vectors.subarray(0, rank * columns)
    const a = Float32Array.from(vectors, (value, i) => value * factor(Math.floor(i / columns)))
    begun.set(adapterName(`${module}.lora_A.weight`), a)
    // As it was given: the product may be a bit away.
    const alpha = Number((scaling * (config.useRslora ? Math.sqrt(given) : given)).toPrecision(12))
    const adjusted = adjustScalingFactors && rank !== given ? alpha * (rank / given) : alpha
    if (rank !== config.r) rankPattern[module] = rank
    if (adjusted !== config.loraAlpha) alphaPattern[module] = adjusted
  }
  const kept = read.filter(({ module }) => (ranks.get(module) ?? 0) > 0).map(({ module }) => module)
  const targetModules = kept.length === read.length ? config.targetModules : kept
  return { config: { ...config, evaConfig: options, targetModules, rankPattern, alphaPattern }, begun }
}

function withoutBatches(): FettleError {
  return new FettleError({
    place: 'addAdapter: options.batches',
    found: 'no batch with tokens that have labels',
    expected: 'training data, whose activations init_lora_weights: eva begins with',
    cure: 'A run (fettle train, trainSft) takes its own data; in a program give batches as model.forward takes them.',
  })
}

function unsettled({ tau }: EvaConfig): FettleError {
  return new FettleError({
    place: 'lora.eva_config.tau',
    found: `directions of which some have a cosine below ${tau} after ${mostBatches} batches`,
    expected: 'directions that settle',
    cure: 'Choose a lower tau, or a lower r or rho.',
  })
}

/** @throws FettleError where no batch had as many tokens as some module has directions */
function checkLargest(largest: number, { sources }: Search): void {
  const tooWide = [...sources].find(([, { pca }]) => pca.components === null)
  if (!tooWide) return
  const [module, { count }] = tooWide
  throw new FettleError({
    place: 'lora.init_lora_weights: eva',
    found: `batches of at most ${largest} tokens that have labels`,
    expected: `${count} or more, for as many directions of ${module}`,
    cure: 'Take larger batches, a lower r or rho, or use_label_mask: false.',
  })
}
