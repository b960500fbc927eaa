import type { TrainableParameters, UpdateGroup } from '../../model/index.ts'

/** LoRA+: learning rates of these groups as multiples of the others'. Weight decay is for what LoRA+ says then. */
export interface LoraPlus {
  outputs: number
  embedding: number
}

/** What every optimiser does alike. */
export interface UpdateOptions {
  weightDecay?: number
  loraPlus?: LoraPlus | undefined
}

/** How a stretch of the flat parameters is updated: a multiple of the learning rate, and weight decay. */
export interface UpdateRate {
  factor: number
  decay: number
}

/** A stretch of the flat parameters. */
export interface Stretch {
  start: number
  length: number
}

/** Of a group: norms and biases do not decay. */
export function rateOf(
  { rate, decays, decaysInLoraPlus }: UpdateGroup,
  { weightDecay = 0, loraPlus }: UpdateOptions,
): UpdateRate {
  if (!loraPlus) return { factor: 1, decay: decays ? weightDecay : 0 }
  return { factor: rate === 'inputs' ? 1 : loraPlus[rate], decay: decaysInLoraPlus ? weightDecay : 0 }
}

/** Stretches that an optimiser updates number by number: as large as they can be, each with its rate. */
export function ratedStretches(
  { groups }: Pick<TrainableParameters, 'groups'>,
  options: UpdateOptions,
  within: readonly Stretch[] = groups,
): (Stretch & UpdateRate)[] {
  const parts = within.flatMap(({ start, length }) =>
    groups.flatMap((group) => {
      const from = Math.max(start, group.start)
      const end = Math.min(start + length, group.start + group.length)
      return end > from ? [{ start: from, length: end - from, ...rateOf(group, options) }] : []
    }),
  )
  return joined(parts)
}

/** The rate of what begins here. */
export function rateAt(
  { groups }: Pick<TrainableParameters, 'groups'>,
  options: UpdateOptions,
  start: number,
): UpdateRate {
  const group = groups.find((each) => each.start <= start && start < each.start + each.length)
  if (!group) throw new Error(`nothing is trained at ${start}`)
  return rateOf(group, options)
}

/** The stretches between those that are given, which are in order. */
export function stretchesBetween(given: readonly Stretch[], size: number): Stretch[] {
  const ends = [0, ...given.map(({ start, length }) => start + length)]
  const starts = [...given.map(({ start }) => start), size]
  return ends.map((end, i) => ({ start: end, length: starts[i] - end })).filter(({ length }) => length > 0)
}

/** Neighbours that are updated alike are one. */
function joined<T extends Stretch & UpdateRate>(updates: readonly T[]): T[] {
  const all: T[] = []
  for (const update of updates) {
    const last = all.at(-1)
    const isNext = last && last.start + last.length === update.start
    if (isNext && last.factor === update.factor && last.decay === update.decay) last.length += update.length
    else all.push({ ...update })
  }
  return all
}
