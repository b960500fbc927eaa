import { basename, resolve } from 'node:path'
import type { GgufEntry } from '../../formats/index.ts'
import type { ExportSource } from '../format.ts'
import { readCard } from '../model-card.ts'
import { cardEntries } from './card-entries.ts'

type Entries = [string, GgufEntry][]

/** The entries `general.*` of a model: what it is called and how large it is, how it is sampled from, and what its card says. */
export async function generalEntries(
  { paths, generationConfig }: ExportSource,
  architecture: string,
  tensors: readonly { name: string; shape: readonly number[] }[],
): Promise<Entries> {
  const name = basename(resolve(paths.adapter ?? paths.model)).replace(/\.gguf$/i, '')
  const { topK, topP, minP, temperature, repetitionPenalty } = generationConfig
  return [
    ['general.architecture', text(architecture)],
    ['general.type', text('model')],
    ...(topK === undefined
      ? []
      : [['general.sampling.top_k', { type: 'i32', value: topK }] as [string, GgufEntry]]),
    ...real('general.sampling.top_p', topP),
    ...real('general.sampling.min_p', minP),
    ...real('general.sampling.temp', temperature),
    ...real('general.sampling.penalty_repeat', repetitionPenalty),
    ['general.name', text(name)],
    ['general.size_label', text(sizeLabel(tensors))],
    ...cardEntries(await readCard(paths.model), paths.adapter === undefined),
  ]
}

const text = (value: string): GgufEntry => ({ type: 'string', value })
const real = (key: string, value: number | undefined): Entries =>
  value === undefined ? [] : [[key, { type: 'f32', value }]]

/** `135M`; of a model with experts `8x7B`, with the parameters that one of them has. */
function sizeLabel(tensors: readonly { name: string; shape: readonly number[] }[]): string {
  let count = 0
  let experts = 0
  for (const { name, shape } of tensors) {
    const size = shape.reduce((product, length) => product * length, 1)
    const isStack = name.includes('_exps.')
    if (isStack) experts = Math.max(experts, shape[0])
    count += isStack ? size / shape[0] : size
  }
  return experts > 0 ? `${experts}x${rounded(count)}` : rounded(count)
}

/** Two digits at least. */
function rounded(count: number): string {
  const [scale, unit] =
    count > 1e12 ? [1e12, 'T'] : count > 1e9 ? [1e9, 'B'] : count > 1e6 ? [1e6, 'M'] : [1e3, 'K']
  const value = count / scale
  const digits = Math.round(value) === 0 ? 0 : String(Math.round(value)).length
  return `${value.toFixed(Math.max(2 - digits, 0))}${unit}`
}
