import { eachLayer, unless, type KeyProblem } from '../keys/values.ts'
import { usedWindow } from '../keys/window-keys.ts'
import type { GgufConfig } from './gguf-keys.ts'
import { flags, type GgufMetadata } from './gguf-metadata.ts'

/** What is lost of a window that llama.cpp does not have: texts beyond it. */
export function lostWindow({
  sliding_window: window,
  max_position_embeddings: positions,
}: {
  sliding_window: number | null
  max_position_embeddings: number
}): KeyProblem[] {
  return unless(
    window === null || window >= positions,
    'sliding_window',
    `no window, as llama.cpp computes: it is the same for texts of up to ${window} tokens`,
  )
}

/** The same of a Qwen, which may not use its window. */
export function lostUsedWindow(
  config: Parameters<typeof usedWindow>[0] & { max_position_embeddings: number },
): KeyProblem[] {
  return lostWindow({ ...config, sliding_window: usedWindow(config) })
}

/** What is lost where other layers see a window than every other one, which llama.cpp takes for granted. */
export function lostAlternation(slides: readonly boolean[]): KeyProblem[] {
  return unless(
    slides.every((isSliding, layer) => isSliding === (layer % 2 === 0)),
    'layer_types',
    'a window in every other layer, as llama.cpp computes',
  )
}

/** Which layers see a window only, unless every so many layers one sees everything. */
export function patternMetadata(slides: readonly boolean[], usual: number): GgufMetadata {
  const isUsual = slides.every((isSliding, layer) => isSliding === ((layer + 1) % usual !== 0))
  return isUsual ? {} : { 'attention.sliding_window_pattern': flags(slides) }
}

/** The window of a family in which it may be none. */
export function windowMetadata({ 'attention.sliding_window': size }: GgufConfig): Record<string, unknown> {
  return { sliding_window: size || null }
}

/** The same of a Qwen. */
export function usedWindowMetadata({
  'attention.sliding_window': size,
}: GgufConfig): Record<string, unknown> {
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
    layer_types: eachLayer({ num_hidden_layers: values.block_count }, (layer) =>
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
