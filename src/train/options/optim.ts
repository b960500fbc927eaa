import { z } from 'zod'

/** The optimisers, and what transformers calls them: the first name is fettle's. */
const names = {
  adamw: ['adamw', 'adamw_torch', 'adamw_torch_fused', 'paged_adamw', 'paged_adamw_32bit'],
  adamw_8bit: ['adamw_8bit', 'adamw_bnb_8bit', 'paged_adamw_8bit'],
  adafactor: ['adafactor'],
  lion: ['lion', 'lion_32bit', 'paged_lion_32bit'],
  lion_8bit: ['lion_8bit', 'paged_lion_8bit'],
  sgd: ['sgd'],
  muon: ['muon'],
} as const

/** An optimiser by fettle's name. */
export type OptimName = keyof typeof names

type AnyName = (typeof names)[OptimName][number]

export const optimSchema = z.enum(Object.values(names).flat() as unknown as readonly [AnyName, ...AnyName[]])

/** fettle's name of an optimiser. */
export function optimName(given: string): OptimName {
  const all: { readonly [N in OptimName]: readonly string[] } = names
  const found = (Object.keys(all) as OptimName[]).find((name) => all[name].includes(given))
  if (!found) throw new Error(`no optimiser ${given}`)
  return found
}

/** Bytes of a parameter that is trained: its number, its gradient, and what the optimiser remembers of it. */
const bytes: { readonly [N in OptimName]: number } = {
  adamw: 16,
  adamw_8bit: 10.1,
  adafactor: 8.1,
  lion: 12,
  lion_8bit: 9.1,
  sgd: 12,
  muon: 16,
}

/** The same of an optimiser by any of its names, where it remembers most. */
export function bytesPerTrained(given: string): number {
  return bytes[optimName(given)]
}

/** What is to be said of an optimiser that is called otherwise elsewhere. */
export function optimNotes(given: string): string[] {
  if (!given.startsWith('paged_')) return []
  return [
    `optim ${given} is ${optimName(given)} here: paging moves states between a GPU and memory, and they are in memory already`,
  ]
}

const fields = z.strictObject({
  momentum: z.number().min(0).lt(1).optional().describe('Of sgd (default 0) and muon (0.95).'),
  dampening: z.number().min(0).max(1).optional().describe('Of sgd.'),
  nesterov: z.boolean().optional().describe('Of sgd (default false) and muon (true).'),
  adjustLrFn: z
    .enum(['original', 'match_rms_adamw'])
    .optional()
    .describe("How muon's learning rate follows from the sides of a matrix; default match_rms_adamw."),
})

/** Parameters of single optimisers: a block, or transformers' `momentum=0.9,nesterov=true`. */
export const optimArgsSchema = z.union([fields, z.string().transform(fromText).pipe(fields)])

function fromText(text: string): unknown {
  const pairs = text.split(',').map((pair) => pair.split('=').map((part) => part.trim()))
  return Object.fromEntries(
    pairs.map(([name, value = '']) => [name === 'adjust_lr_fn' ? 'adjustLrFn' : name, valueOf(value)]),
  )
}

function valueOf(text: string): unknown {
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
  return text === '' || Number.isNaN(Number(text)) ? text : Number(text)
}
