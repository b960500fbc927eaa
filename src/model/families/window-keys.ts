import { z } from 'zod'
import type { GgufConfig } from './gguf-keys.ts'
import type { LlamaConfig } from './llama-keys.ts'
import { flag, type KeyProblem } from './keys.ts'

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

/** What is lost of a window that llama.cpp does not have: texts beyond it. */
export function lostWindow(window: number | null, positions: number): KeyProblem[] {
  if (window === null || window >= positions) return []
  return [
    {
      key: 'sliding_window',
      expected: `no window, as llama.cpp computes: it is the same for texts of up to ${window} tokens`,
    },
  ]
}

/** The same keys from the metadata of a GGUF file. */
export function windowMetadata({ 'attention.sliding_window': size }: GgufConfig): Record<string, unknown> {
  return { sliding_window: size ?? null, use_sliding_window: size !== undefined }
}

/**
 * Keys of layers of which some see a window, and turn otherwise, from the metadata of a GGUF file.
 *
 * @param rope      the rotation of those that see everything
 * @param defaults  every so many layers one sees everything, and theta of those that see a window; llama.cpp's
 */
export function typedMetadata(
  values: GgufConfig,
  rope: Record<string, unknown>,
  defaults: { pattern: number; theta: number },
): Record<string, unknown> {
  const pattern = values['attention.sliding_window_pattern'] ?? defaults.pattern
  const slides = (layer: number) =>
    typeof pattern === 'number' ? (layer + 1) % pattern !== 0 : pattern[layer] === true
  return {
    layer_types: Array.from({ length: values.block_count }, (_, layer) =>
      slides(layer) ? 'sliding_attention' : 'full_attention',
    ),
    rope_parameters: {
      full_attention: rope,
      sliding_attention: {
        rope_type: 'default',
        rope_theta: values['rope.freq_base_swa'] ?? defaults.theta,
      },
    },
  }
}
