import { z } from 'zod'
import { flag, number, optionalCount } from './keys.ts'

/** Which layers of a Qwen see a window only. */
export const windowKeys = {
  use_sliding_window: flag(false),
  sliding_window: optionalCount(4096),
  max_window_layers: number(28),
  layer_types: z.array(z.string()).nullish(),
}

export type WindowConfig = z.output<z.ZodObject<typeof windowKeys>>

/** null: the layer sees everything. */
export function windowOf(
  { use_sliding_window, sliding_window, max_window_layers, layer_types }: WindowConfig,
  layer: number,
): number | null {
  if (!use_sliding_window) return null
  if (layer_types) return layer_types[layer] === 'sliding_attention' ? sliding_window : null
  // Before transformers 4.53 the files had no layer_types: the upper layers are the ones with a window.
  return layer >= max_window_layers ? sliding_window : null
}

/** The same keys from the metadata of a GGUF file. */
export function windowMetadata(number: (key: string) => number | undefined): Record<string, unknown> {
  const size = number('attention.sliding_window')
  return { sliding_window: size ?? null, use_sliding_window: size !== undefined }
}
