/** Tokens of one pass: large enough for full speed, small enough that activations stay in a few hundred MiB. */
const passTokens = { usual: 1024, low: 512 }
/**
 * What the activations of a pass may take; a longer document has some of them computed again. As much as lets a model of
 * 135 million parameters train on 8,192 tokens in 2 GiB.
 */
const usualActivationBytes = 1650 * 2 ** 20
/** The same with little memory: a model of 3 billion parameters in 4 bits trains in 3.5 GiB. Those of half a billion stay below it. */
const lowActivationBytes = 768 * 2 ** 20

/**
 * With little memory: the share of the layers whose weights are let go of after each use. For the memory, getting pages back
 * from the file's cache costs less time than computing activations again in passes of 256 tokens (measured).
 */
const lowMemoryStreams = 0.4

/**
 * From so many tokens on, weights that come back cost little beside the pass (by low_memory's figures 0.2% of 8,192 tokens), and
 * what they took keeps gate and up of five layers, 2% of it.
 */
const longPass = 4096

/** The share of the layers whose weights a pass of so many tokens lets go of after each use. */
export function streamedLayers(tokens: number, lowMemory: boolean): number {
  if (tokens >= longPass) return 1
  return lowMemory ? lowMemoryStreams : 0
}

/** How large the passes of a step are. */
export interface PassSize {
  /** Tokens of one; a longer document is a pass of its own. */
  perPass: number
  /** What its activations may take, beyond which some are computed again. */
  activationBytes: number
}

/** The passes of a run, where nobody looked how much memory there is. */
export function passSize(bytesPerToken: number, lowMemory: boolean): PassSize {
  if (lowMemory) {
    const activationBytes = Math.min(lowActivationBytes, passTokens.low * bytesPerToken)
    return { perPass: passTokens.low, activationBytes }
  }
  // Large models get smaller passes before anything is computed twice.
  const affordable = Math.floor(usualActivationBytes / bytesPerToken)
  return {
    perPass: Math.max(passTokens.low, Math.min(passTokens.usual, affordable)),
    activationBytes: usualActivationBytes,
  }
}
