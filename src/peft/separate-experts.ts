import { FettleError } from '../error.ts'
import type { Problem } from '../error.ts'
import type { AdapterTensor } from './adapter-files.ts'
import { adapterName } from './adapter-files.ts'
import type { LoraConfig } from './lora-config.ts'
import { moduleAdapters } from './match-modules.ts'

/** The matrices of all experts of a layer, as `target_parameters` names them, and how many there are. */
interface StackedExperts {
  /** `model.layers.0.mlp.experts.gate_up_proj` */
  name: string
  count: number
}

/** An adapter's configuration and tensors, and what is to be said of it. */
interface ReadAdapter {
  config: LoraConfig
  tensors: ReadonlyMap<string, AdapterTensor>
  notices: readonly Problem[]
}

/** Layer, number, projection and matrix of `base_model.model.model.layers.0.block_sparse_moe.experts.3.w1.lora_A.weight`. */
const separate =
  /^base_model\.model\.((?:.*\.)?layers\.\d+)\.\w+\.experts\.(\d+)\.(w[123]|gate_proj|up_proj|down_proj)\.lora_([AB])\.weight$/

/** What a tensor of all experts has one below the other, in either way of calling it. */
const projections: Readonly<Record<string, readonly (readonly string[])[]>> = {
  gate_up_proj: [
    ['w1', 'gate_proj'],
    ['w3', 'up_proj'],
  ],
  down_proj: [['w2', 'down_proj']],
}

/**
 * An adapter from before Transformers 5, when each expert was a module with an A and a B of its own, as one on the tensors of all
 * experts, which computes the same: gate's and up's A lie one below the other, and their B are blocks of one. Other adapters stay.
 * Source: PEFT 0.21, utils/transformers_weight_conversion.py
 *
 * @param experts  what the model has
 * @param place    of the adapter, for errors
 * @throws FettleError where an expert lacks a tensor or has one of another shape, and for DoRA and LoRA on routers
 */
export function joinExperts(
  adapter: ReadAdapter,
  experts: readonly StackedExperts[],
  place: string,
): ReadAdapter {
  const { config, tensors, notices } = adapter
  const all = [...tensors.keys()].flatMap((name) => parsed(name) ?? [])
  if (all.length === 0 || experts.length === 0) return adapter
  refuseOthers(adapter, place)
  const joined = new Map(tensors)
  const targets: string[] = []
  const [rankPattern, alphaPattern]: Record<string, number>[] = [{}, {}]
  for (const { name, count } of experts) {
    const layer = all.filter((each) => name.startsWith(`${each.layer}.`))
    const parts = partsOf(name, count, layer, adapter, place)
    if (parts.length === 0) continue
    const rank = parts.reduce((sum, part) => sum + part.rank, 0)
    const [{ scaling }] = parts
    targets.push(name)
    const pattern = name.replaceAll('.', String.raw`\.`)
    rankPattern[pattern] = rank
    alphaPattern[pattern] = scaling * (config.useRslora ? Math.sqrt(rank) : rank)
    // PEFT wraps the tensor of gates and ups first, and the other one around it.
    const isInner =
      name.endsWith('.gate_up_proj') && layer.some(({ projection }) => isOf('down_proj', projection))
    const stem = `${name.slice(0, name.lastIndexOf('.'))}${isInner ? '.base_layer' : ''}`
    for (const tensor of joinedTensors(stem, parts, count, projections[leafOf(name)].length))
      joined.set(tensor.name, tensor)
    for (const { a, b } of parts) for (const tensor of [...a, ...b]) joined.delete(tensor.name)
  }
  return {
    tensors: joined,
    config: {
      ...config,
      loraDropout: 0,
      targetParameters: [...(config.targetParameters ?? []), ...targets],
      rankPattern: { ...rankPattern, ...config.rankPattern },
      alphaPattern: { ...alphaPattern, ...config.alphaPattern },
    },
    notices: [...notices, ...(config.loraDropout > 0 ? [withoutDropout(config, place)] : [])],
  }
}

/** A projection of all experts of a layer. */
interface Part {
  /** Its place among what lies below each other. */
  place: number
  rank: number
  scaling: number
  /** By expert: A [rank, inputs] and B [outputs, rank]. */
  a: readonly AdapterTensor[]
  b: readonly AdapterTensor[]
}

interface ParsedName {
  name: string
  layer: string
  expert: number
  projection: string
  matrix: string
}

function parsed(name: string): ParsedName | undefined {
  const [, layer, expert, projection, matrix] = separate.exec(name) ?? []
  return layer === undefined ? undefined : { name, layer, expert: Number(expert), projection, matrix }
}

const leafOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1)
const isOf = (tensor: string, projection: string): boolean =>
  (projections[tensor] ?? []).flat().includes(projection)

/** The projections of a tensor of all experts that the adapter has. */
function partsOf(
  name: string,
  count: number,
  layer: readonly ParsedName[],
  { config, tensors }: ReadAdapter,
  place: string,
): Part[] {
  const adapterOf = moduleAdapters(config)
  return (projections[leafOf(name)] ?? []).flatMap((called, at) => {
    const own = layer.filter(({ projection }) => called.includes(projection))
    if (own.length === 0) return []
    const matrices = (matrix: 'A' | 'B') =>
      Array.from({ length: Math.max(count, ...own.map(({ expert }) => expert + 1)) }, (_, expert) => {
        const found = own.find((each) => each.expert === expert && each.matrix === matrix)
        const tensor = found && tensors.get(found.name)
        const like = own.find((each) => each.matrix === matrix)
        const shape = like && tensors.get(like.name)?.shape
        const at = own[0].name.replace(/experts\.\d+/, `experts.${expert}`)
        const named = `${place}: tensor ${at.replace(/lora_[AB]/, `lora_${matrix}`)}`
        if (expert >= count)
          throw wrong(named, `expert ${expert}`, `the ${count} experts that the model has, from 0`)
        if (!tensor) throw wrong(named, 'nothing', `shape [${shape?.join(', ')}], as the other experts have`)
        if (tensor.shape.length !== 2 || tensor.shape.join() !== shape?.join())
          throw wrong(
            named,
            `shape [${tensor.shape.join(', ')}]`,
            `shape [${shape?.join(', ')}], as expert ${like?.expert} has`,
          )
        return tensor
      })
    const [a, b] = [matrices('A'), matrices('B')]
    const module = own[0].name.slice(adapterName('').length, own[0].name.indexOf('.lora_'))
    const { scaling } = adapterOf(module)
    return [{ place: at, rank: a[0].shape[0], scaling: scaling, a, b }]
  })
}

/** A [experts · Σ rank, inputs] and B [places · outputs, Σ rank · experts] as PEFT saves them; scalings that differ go into B. */
function joinedTensors(
  stem: string,
  parts: readonly Part[],
  count: number,
  placeCount: number,
): [AdapterTensor, AdapterTensor] {
  const rank = parts.reduce((sum, part) => sum + part.rank, 0)
  const [, inputs] = parts[0].a[0].shape
  const [outputs] = parts[0].b[0].shape
  const a = new Float32Array(count * rank * inputs)
  const b = new Float32Array(placeCount * outputs * rank * count)
  let first = 0
  for (const part of parts) {
    const factor = part.scaling / parts[0].scaling
    for (let expert = 0; expert < count; expert += 1) {
      a.set(part.a[expert].data, (expert * rank + first) * inputs)
      const { data } = part.b[expert]
      for (let row = 0; row < outputs; row += 1)
        for (let i = 0; i < part.rank; i += 1)
          b[((part.place * outputs + row) * rank + first + i) * count + expert] =
            factor * data[row * part.rank + i]
    }
    first += part.rank
  }
  return [
    { name: adapterName(`${stem}.lora_A.weight`), shape: [count * rank, inputs], data: a },
    { name: adapterName(`${stem}.lora_B.weight`), shape: [placeCount * outputs, rank * count], data: b },
  ]
}

/** @throws FettleError for what LoRA on the tensors of experts cannot be */
function refuseOthers({ config, tensors }: ReadAdapter, place: string): void {
  const cure =
    'In PEFT with the Transformers that it was trained with, save the model of merge_and_unload(), and load that one here.'
  if (config.useDora)
    throw new FettleError({
      place: `${place}: use_dora`,
      found: 'true, with experts among the modules',
      expected: 'LoRA: there is no DoRA on experts',
      cure,
    })
  const router = [...tensors.keys()].find((name) => /\.(block_sparse_moe|mlp)\.gate\.lora_/.test(name))
  if (router !== undefined)
    throw new FettleError({
      place: `${place}: tensor ${router}`,
      found: 'LoRA on a router',
      expected: 'LoRA on attention, experts and other linear layers',
      cure,
    })
}

function wrong(place: string, found: string, expected: string): FettleError {
  return new FettleError({
    place,
    found,
    expected,
    cure: 'The adapter was made for another model, or its file is damaged.',
  })
}

function withoutDropout({ loraDropout }: LoraConfig, place: string): Problem {
  return {
    place: `${place}: lora_dropout`,
    found: `${loraDropout}, with experts among the modules`,
    expected: '0: training goes on without dropout, which there is none of on experts',
  }
}
