import type { Batch } from '../batch/index.ts'
import type { PassTokens } from '../model/index.ts'
import { documentStarts } from '../model/index.ts'

/** Tokens of one pass: large enough for full speed, small enough that activations stay in a few hundred MiB. */
const passTokens = { usual: 1024, low: 512 }
/**
 * What the activations of a pass may take; a longer document has some of them computed again. As much as lets a model of
 * 135 million parameters train on 8,192 tokens in 2 GiB.
 */
const usualActivationBytes = 1650 * 2 ** 20

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

/** Tokens of a pass, and what its activations may take. */
export function passSize(
  bytesPerToken: number,
  lowMemory: boolean,
): { perPass: number; activationBytes: number } {
  if (lowMemory) return { perPass: passTokens.low, activationBytes: passTokens.low * bytesPerToken }
  // Large models get smaller passes before anything is computed twice.
  const affordable = Math.floor(usualActivationBytes / bytesPerToken)
  return {
    perPass: Math.max(passTokens.low, Math.min(passTokens.usual, affordable)),
    activationBytes: usualActivationBytes,
  }
}

/**
 * Divides a batch at document borders into passes of about `tokens` tokens: as few as that takes, the largest as small
 * as it can be with so many. The gradients of the passes add up to that of the whole batch, so the result does not
 * change; memory is bounded by the largest pass, and a pass of a handful of tokens would cost nearly as much as a full one.
 */
export function splitBatch(batch: Batch, tokens: number): PassTokens[] {
  const total = batch.inputIds.length
  const ends = documentEnds(batch.documentIds)
  const most = Math.ceil(total / tokens)
  let [low, high] = [Math.floor(total / Math.max(1, most)), total]
  while (low < high) {
    const middle = (low + high) >> 1
    if (passEnds(ends, middle).length <= most && longest(passEnds(ends, middle)) <= middle) high = middle
    else low = middle + 1
  }
  const borders = passEnds(ends, high)
  return borders.map((end, i) => passOf(batch, i === 0 ? 0 : borders[i - 1], end))
}

/** Where passes end that take in documents as long as they have at most `size` tokens. */
function passEnds(documentEnds: readonly number[], size: number): number[] {
  const ends: number[] = []
  let start = 0
  documentEnds.forEach((end, i) => {
    const next = documentEnds[i + 1]
    if (next !== undefined && next - start <= size) return
    ends.push(end)
    start = end
  })
  return ends
}

function longest(ends: readonly number[]): number {
  return ends.reduce((most, end, i) => Math.max(most, end - (i === 0 ? 0 : ends[i - 1])), 0)
}

/** Index after the last token of each document. */
function documentEnds(documentIds: Int32Array): number[] {
  const ends: number[] = []
  documentIds.forEach((id, i) => {
    if (i > 0 && id !== documentIds[i - 1]) ends.push(i)
  })
  return documentIds.length > 0 ? [...ends, documentIds.length] : ends
}

function passOf(
  { inputIds, targets, positionIds, documentIds }: Batch,
  from: number,
  to: number,
): PassTokens {
  return {
    ids: inputIds.slice(from, to),
    positions: positionIds.slice(from, to),
    starts: documentStarts(documentIds.subarray(from, to)),
    targets: targets.slice(from, to),
  }
}
