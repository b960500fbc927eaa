import type { ModelState } from '../state/model-state.ts'

export const savedTypes = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' } as const
export const storedAs = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' } as const

/** What weights are saved in. */
export type SavedType = keyof typeof storedAs

/** What a model's files have its weights in, or most of them, as config.json names it. */
export function storedType({ store }: ModelState): SavedType {
  return savedTypes[store.dtype]
}
