import { z } from 'zod'

/** How EVA finds what A begins with, and divides the ranks; names and defaults are PEFT's. */
const evaFields = {
  rho: z
    .number()
    .min(1)
    .max(1000)
    .default(2)
    .describe('With EVA a module has at most so many times its rank; 1: ranks stay as they are.'),
  tau: z
    .number()
    .min(0)
    .max(1)
    .default(0.99)
    .describe('EVA ends when directions of two batches in turn have this cosine.'),
  useLabelMask: z.boolean().default(true).describe('EVA looks at tokens that are learned only.'),
  whiten: z.boolean().default(false).describe('EVA divides directions by the root of their singular value.'),
  adjustScalingFactors: z
    .boolean()
    .default(true)
    .describe('Where EVA changes a rank, alpha changes with it: the scaling stays.'),
}
export const evaConfig = z.strictObject(evaFields)
export interface EvaConfig extends z.output<typeof evaConfig> {}

/** In PEFT's keys. */
export function toPeftEva({ rho, tau, useLabelMask, whiten, adjustScalingFactors }: EvaConfig) {
  return {
    rho,
    tau,
    use_label_mask: useLabelMask,
    label_mask_value: -100,
    whiten,
    adjust_scaling_factors: adjustScalingFactors,
  }
}

/** The same back: undefined for what is none. It says how an adapter began, and decides nothing any more. */
export function fromPeftEva(given: unknown): EvaConfig | undefined {
  const { use_label_mask, adjust_scaling_factors, rho, tau, whiten } = Object(given) as Record<
    string,
    unknown
  >
  const read = {
    rho,
    tau,
    useLabelMask: use_label_mask,
    whiten,
    adjustScalingFactors: adjust_scaling_factors,
  }
  return given ? evaConfig.safeParse(read).data : undefined
}

/** A module that EVA begins. */
export interface EvaModule {
  /** Its path. */
  module: string
  /** That it was given. */
  rank: number
  /** The first module that reads the same numbers, or itself: their directions are found once. */
  source: string
}

/** The most directions that any of the modules of a source may have: rank · rho, halves to the even number as Python rounds. */
export function mostDirections(modules: readonly EvaModule[], rho: number): ReadonlyMap<string, number> {
  const most = new Map<string, number>()
  for (const { source, rank } of modules)
    most.set(source, Math.max(most.get(source) ?? 0, roundedToEven(rank * rho)))
  return most
}

function roundedToEven(value: number): number {
  const below = Math.floor(value)
  return value - below === 0.5 ? below + (below % 2) : Math.round(value)
}

/**
 * Divides the sum of all ranks over the modules: the directions that explain the largest share of their input's variance are taken, a
 * module as many as it has among these. Of modules that read the same, the source has the most.
 * Source: Paischer et al. 2024, https://arxiv.org/abs/2410.07170, as in PEFT 0.21 (tuners/lora/eva.py)
 *
 * @param ratios  by source: the share of each direction
 * @returns       rank by module; 0: it gets no LoRA
 */
export function evaRanks(
  modules: readonly EvaModule[],
  ratios: ReadonlyMap<string, Float64Array>,
): Map<string, number> {
  const isSource = ({ module, source }: EvaModule) => module === source
  const ordered = [...modules.filter(isSource), ...modules.filter((each) => !isSource(each))]
  const shares = ordered.flatMap(({ module, source }) =>
    Array.from(ratios.get(source) ?? [], (ratio) => ({ module, ratio: Math.fround(ratio) })),
  )
  const budget = modules.reduce((sum, { rank }) => sum + rank, 0)
  const ranks = new Map(ordered.map(({ module }) => [module, 0]))
  const rankOf = (module: string) => ranks.get(module) ?? 0
  for (const { module } of shares.toSorted((a, b) => b.ratio - a.ratio).slice(0, budget))
    ranks.set(module, rankOf(module) + 1)
  for (const { module, source } of ordered) {
    const [own, first] = [rankOf(module), rankOf(source)]
    if (first >= own) continue
    ranks.set(source, own)
    ranks.set(module, first)
  }
  return ranks
}
