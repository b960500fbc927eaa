import { z } from 'zod'
import type { LlamaConfig } from './llama-keys.ts'
import { eachLayer, flag, unless, type KeyProblem } from './values.ts'

/** How far back layers see that see a window only; null: none does. */
export const windowSize = (fallback: number | null) => z.int().nonnegative().nullable().default(fallback)

/** Which layers of a Qwen see a window only. */
export const windowKeys = {
  use_sliding_window: flag(false),
  sliding_window: windowSize(4096),
  max_window_layers: z.int().default(28),
}

type WindowConfig = z.output<z.ZodObject<typeof windowKeys>> & Pick<LlamaConfig, 'layer_types'>

/** Whether a layer of this type sees a window only. */
export function isSliding(type: string): boolean {
  return type === 'sliding_attention'
}

/** Which layers see a window only: as the file says of each, or otherwise as the class takes them. */
export function slidingLayers(
  config: Pick<LlamaConfig, 'layer_types' | 'num_hidden_layers'>,
  otherwise: (layer: number) => boolean,
): boolean[] {
  const { layer_types: types } = config
  return eachLayer(config, (layer) => (types ? isSliding(types[layer]) : otherwise(layer)))
}

/** The size that is obeyed: a Qwen that does not use it has none. */
export function usedWindow({ use_sliding_window, sliding_window }: WindowConfig): number | null {
  return use_sliding_window ? sliding_window : null
}

/** null: the layer sees everything. */
export function windowOf(config: WindowConfig, layer: number): number | null {
  const { max_window_layers, layer_types } = config
  // Before transformers 4.53 the files had no layer_types: the upper layers are the ones with a window.
  const slides = layer_types ? isSliding(layer_types[layer]) : layer >= max_window_layers
  return slides ? usedWindow(config) : null
}

/** Where layers see a window and their file has no size of it. */
export function checkWindow(
  { sliding_window: size }: { sliding_window: number | null },
  slides: boolean,
): KeyProblem[] {
  return unless(size !== null || !slides, 'sliding_window', 'a number: there are layers that see a window')
}
