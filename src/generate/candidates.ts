/**
 * The tokens that may come next: ids in ascending order with their scores. Filters shrink it, so that after top-k
 * nothing walks the whole vocabulary again.
 */
export interface Candidates {
  /** [n] */
  ids: Int32Array
  /** [n] logits after penalty and temperature */
  scores: Float32Array
}

/** Every token of the vocabulary. */
export function allCandidates(logits: Float32Array): Candidates {
  const ids = new Int32Array(logits.length)
  for (let id = 0; id < ids.length; id += 1) ids[id] = id
  return { ids, scores: logits }
}

/** Those for which `keeps` holds. */
function select({ ids, scores }: Candidates, keeps: (index: number) => boolean): Candidates {
  const kept: Candidates = { ids: new Int32Array(ids.length), scores: new Float32Array(ids.length) }
  let count = 0
  for (let i = 0; i < ids.length; i += 1) {
    if (!keeps(i)) continue
    kept.ids[count] = ids[i]
    kept.scores[count] = scores[i]
    count += 1
  }
  return { ids: kept.ids.subarray(0, count), scores: kept.scores.subarray(0, count) }
}

/** Those that are none of some tokens. */
export function withoutTokens(candidates: Candidates, tokens: ReadonlySet<number>): Candidates {
  const { ids } = candidates
  return select(candidates, (i) => !tokens.has(ids[i]))
}

/**
 * Divides logits of tokens already seen by the penalty, or multiplies them when negative: once a token.
 * Source: Keskar et al. 2019, https://arxiv.org/abs/1909.05858
 *
 * @param candidates their scores are changed in place
 */
export function penaliseRepetition(
  { ids, scores }: Candidates,
  seen: Iterable<number>,
  penalty: number,
): void {
  const single = Math.fround(penalty)
  for (const id of seen) {
    const at = indexOf(ids, id)
    if (ids[at] === id) scores[at] = scores[at] < 0 ? scores[at] * single : scores[at] / single
  }
}

/** Index of the first of some ascending ids that is at least `id`. */
function indexOf(ids: Int32Array, id: number): number {
  let [low, high] = [0, ids.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ids[middle] < id) low = middle + 1
    else high = middle
  }
  return low
}

/** Those that score at least as high as the k-th highest: k, or more when there are ties. */
export function keepTopK(candidates: Candidates, k: number): Candidates {
  if (k >= candidates.ids.length) return candidates
  const threshold = kthLargest(candidates.scores, k)
  return select(candidates, (i) => candidates.scores[i] >= threshold)
}

/** The k-th largest value, by a heap of the k largest so far with the smallest of them on top. */
function kthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k).sort()
  for (let i = k; i < values.length; i += 1) {
    const value = values[i]
    if (!(value > heap[0])) continue
    let at = 0
    for (let child = 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && heap[child + 1] < heap[child]) child += 1
      if (heap[child] >= value) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = value
  }
  return heap[0]
}

/** Width of a bucket in nats, and how many there are: beyond their reach a token has e⁻³² of the highest one's weight. */
const bucketsPerNat = 64
const bucketCount = 2048

/**
 * The fewest highest-scoring tokens whose probabilities add up to `p` or more; of equal ones the lower id goes first,
 * as in greedy choice (torch's sort is not stable, so Hugging Face keeps now one and now the other).
 * Instead of sorting a vocabulary, tokens are put into buckets by score; only the bucket in which the sum passes p
 * is sorted.
 * Source: Holtzman et al. 2019, https://arxiv.org/abs/1904.09751
 */
export function keepTopP(candidates: Candidates, p: number): Candidates {
  const { ids, scores } = candidates
  const highest = maximum(scores)
  const masses = new Float64Array(bucketCount)
  const buckets = new Uint16Array(ids.length)
  let total = 0
  for (let i = 0; i < ids.length; i += 1) {
    const distance = highest - scores[i]
    const weight = Math.exp(-distance)
    buckets[i] = Math.min(bucketCount - 1, distance * bucketsPerNat)
    masses[buckets[i]] += weight
    total += weight
  }
  const wanted = p * total
  let sum = 0
  let border = 0
  while (border < bucketCount - 1 && sum + masses[border] < wanted) {
    sum += masses[border]
    border += 1
  }
  const keptAtBorder = new Set<number>()
  const atBorder: number[] = []
  for (let i = 0; i < ids.length; i += 1) if (buckets[i] === border) atBorder.push(i)
  atBorder.sort((a, b) => scores[b] - scores[a] || a - b)
  for (const i of atBorder) {
    // The most likely token stays, whatever p is.
    if (sum >= wanted && (border > 0 || keptAtBorder.size > 0)) break
    keptAtBorder.add(i)
    sum += Math.exp(scores[i] - highest)
  }
  return select(candidates, (i) => buckets[i] < border || keptAtBorder.has(i))
}

/**
 * Those whose probability is at least `minP` times that of the most likely token.
 * Source: Nguyen et al. 2024, https://arxiv.org/abs/2407.01082
 */
export function keepMinP(candidates: Candidates, minP: number): Candidates {
  const { scores } = candidates
  const highest = maximum(scores)
  return select(candidates, (i) => Math.exp(scores[i] - highest) >= minP)
}

/** Probabilities of the candidates: softmax over their scores. */
export function probabilities({ scores }: Candidates): Float64Array {
  const highest = maximum(scores)
  const weights = new Float64Array(scores.length)
  let total = 0
  for (let i = 0; i < scores.length; i += 1) {
    weights[i] = Math.exp(scores[i] - highest)
    total += weights[i]
  }
  for (let i = 0; i < weights.length; i += 1) weights[i] /= total
  return weights
}

function maximum(scores: Float32Array): number {
  let highest = -Infinity
  for (let i = 0; i < scores.length; i += 1) if (scores[i] > highest) highest = scores[i]
  return highest
}
