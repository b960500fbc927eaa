import { z } from 'zod'

/** A whole number from 1; absent: `fallback`. The class of Transformers takes no null either. */
export const count = (fallback: number) => z.int().positive().default(fallback)
export const number = (fallback: number) => z.number().nonnegative().default(fallback)
/** A whole number other than 0; absent: `fallback`. */
export const interval = (fallback: number) =>
  z
    .int()
    .refine((every) => every !== 0, 'another number than 0')
    .default(fallback)
export const flag = (fallback: boolean) => z.boolean().default(fallback)

/** More than any model has: without weights beside it, nothing else bounds the layers of a config.json. */
const mostLayers = 10_000

export const layerCount = (fallback: number) => z.int().positive().max(mostLayers).default(fallback)

/** A whole number or null; absent: `fallback`. */
export const optionalCount = (fallback: number | null) => z.int().positive().nullable().default(fallback)

/** What a check of several keys found: the value of `key`, and what would be right. */
export interface KeyProblem {
  key: string
  expected: string
  cure?: string
}

/** The problem of a key, unless all is well. */
export function unless(isRight: boolean, key: string, expected: string, cure?: string): KeyProblem[] {
  return isRight ? [] : [cure === undefined ? { key, expected } : { key, expected, cure }]
}

/** One of each layer, in the order of the forward pass. */
export function eachLayer<T>(
  { num_hidden_layers: layers }: { num_hidden_layers: number },
  make: (layer: number) => T,
): T[] {
  return Array.from({ length: layers }, (_, layer) => make(layer))
}
