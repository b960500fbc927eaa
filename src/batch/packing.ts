/**
 * How examples fill packs of a fixed size: `bfd` keeps each example whole (its first tokens, where it is longer than
 * a pack), `bfd_split` divides long ones into documents of their own, `wrapped` lays all end to end and cuts wherever
 * a pack is full. Names and results are TRL's.
 */
export type PackingStrategy = 'bfd' | 'bfd_split' | 'wrapped'

/** Tokens [start, start + length) of an example: one document of a pack. */
export interface Piece {
  example: number
  start: number
  length: number
}

/** Packs as flat numbers: a million examples would otherwise be as many objects. */
export interface Packs {
  readonly count: number
  /** Of all packs together. */
  readonly tokens: number
  /** The documents of a pack. */
  get(index: number): Piece[]
}

type Lengths = ArrayLike<number>

const packers: { [Strategy in PackingStrategy]: (lengths: Lengths, size: number) => Packs } = {
  bfd: (lengths, size) => bestFitDecreasing(wholePieces(lengths, size), size),
  bfd_split: (lengths, size) => bestFitDecreasing(splitPieces(lengths, size), size),
  wrapped,
}

/**
 * Fills packs of `size` tokens.
 *
 * @param lengths  tokens of each example, in the order in which equally long ones are placed
 * @returns        the documents of each pack; examples without tokens are left out
 */
export function packCompactly(lengths: Lengths, size: number, strategy: PackingStrategy): Packs {
  return packers[strategy](lengths, size)
}

/** The same as lists. */
export function pack(lengths: Lengths, size: number, strategy: PackingStrategy = 'bfd'): Piece[][] {
  const packs = packCompactly(lengths, size, strategy)
  return Array.from({ length: packs.count }, (_, index) => packs.get(index))
}

/** Documents before they are packed; each list [piece]. */
interface Pieces {
  examples: Int32Array
  /** Absent where all are 0. */
  starts?: Int32Array
  lengths: Int32Array
}

function wholePieces(lengths: Lengths, size: number): Pieces {
  const examples = new Int32Array(lengths.length)
  let count = 0
  for (let example = 0; example < lengths.length; example++)
    if (lengths[example] > 0) examples[count++] = example
  const used = examples.subarray(0, count)
  return { examples: used, lengths: used.map((example) => Math.min(lengths[example], size)) }
}

function splitPieces(lengths: Lengths, size: number): Pieces {
  let count = 0
  for (let example = 0; example < lengths.length; example++) count += Math.ceil(lengths[example] / size)
  const pieces = {
    examples: new Int32Array(count),
    starts: new Int32Array(count),
    lengths: new Int32Array(count),
  }
  let piece = 0
  for (let example = 0; example < lengths.length; example++)
    for (let start = 0; start < lengths[example]; start += size) {
      pieces.examples[piece] = example
      pieces.starts[piece] = start
      pieces.lengths[piece++] = Math.min(lengths[example] - start, size)
    }
  return pieces
}

/**
 * Best fit decreasing: the longest piece first, each into the fullest pack that has room, of equals the one that has
 * been this full for longest. Source: Ding et al. 2024, arXiv:2404.10830.
 */
function bestFitDecreasing(pieces: Pieces, size: number): Packs {
  const { lengths } = pieces
  const sorted = longestFirst(lengths, size)
  const open = openBins(size)
  /** [place in `sorted`] */
  const binOf = new Int32Array(sorted.length)
  let bins = 0
  let tokens = 0
  for (let place = 0; place < sorted.length; place += 1) {
    const length = lengths[sorted[place]]
    const found = open.take(length)
    const bin = found?.bin ?? bins++
    binOf[place] = bin
    tokens += length
    open.put(bin, (found?.room ?? size) - length)
  }
  // Those of a bin side by side, in the order in which they were placed.
  const firsts = new Int32Array(bins + 1)
  for (const bin of binOf) firsts[bin + 1]++
  for (let bin = 0; bin < bins; bin++) firsts[bin + 1] += firsts[bin]
  const next = firsts.slice(0, bins)
  const flat = new Int32Array(sorted.length)
  for (let place = 0; place < binOf.length; place += 1) flat[next[binOf[place]]++] = sorted[place]
  return {
    count: bins,
    tokens,
    get: (index) =>
      Array.from(flat.subarray(firsts[index], firsts[index + 1]), (piece) => ({
        example: pieces.examples[piece],
        start: pieces.starts?.[piece] ?? 0,
        length: lengths[piece],
      })),
  }
}

/** Lengths that are counted one by one; beyond, the memory for that would be more than that of the pieces. */
const mostCounted = 1 << 20

/** The pieces by their length, those that are equally long in their order. */
function longestFirst(lengths: Int32Array, size: number): Int32Array {
  if (size > mostCounted)
    return Int32Array.from(lengths.keys()).sort((a, b) => lengths[b] - lengths[a] || a - b)
  /** [length] where the next piece of that length goes */
  const next = new Int32Array(size + 2)
  for (const length of lengths) next[length]++
  let place = 0
  for (let length = size; length >= 0; length--) {
    const count = next[length]
    next[length] = place
    place += count
  }
  const sorted = new Int32Array(lengths.length)
  for (let piece = 0; piece < lengths.length; piece++) sorted[next[lengths[piece]]++] = piece
  return sorted
}

/** Packs with room, by their room: a queue for each, and a tree that finds the smallest that suffices. */
function openBins(size: number) {
  /** [room] the first and the last bin of its queue, counted from 1; 0 for none */
  const heads = new Int32Array(size + 1)
  const tails = new Int32Array(size + 1)
  /** [bin] the one behind it */
  let behind = new Int32Array(1024)
  const leaves = 2 ** Math.ceil(Math.log2(size + 1))
  /** tree[leaves + room] counts the packs with that room, and each inner node those below it. */
  const tree = new Int32Array(2 * leaves)
  const count = (room: number, change: number) => {
    for (let node = leaves + room; node >= 1; node >>= 1) tree[node] += change
  }
  /** The smallest room from `least` on that some pack has. */
  const find = (least: number): number | undefined => {
    let node = leaves + least
    // Up to the first ancestor with something to the right, then down on its left side.
    while (tree[node] === 0) {
      while ((node & 1) === 1) node >>= 1
      if (node === 0) return undefined
      node++
    }
    while (node < leaves) node = tree[2 * node] > 0 ? 2 * node : 2 * node + 1
    return node - leaves
  }
  return {
    put(bin: number, room: number) {
      if (room === 0) return
      if (bin >= behind.length) {
        const larger = new Int32Array(2 * bin)
        larger.set(behind)
        behind = larger
      }
      behind[bin] = 0
      if (heads[room] === 0) heads[room] = bin + 1
      else behind[tails[room] - 1] = bin + 1
      tails[room] = bin + 1
      count(room, 1)
    },
    take(length: number): { bin: number; room: number } | undefined {
      const room = find(length)
      if (room === undefined) return undefined
      const bin = heads[room] - 1
      heads[room] = behind[bin]
      count(room, -1)
      return { bin, room }
    },
  }
}

function wrapped(lengths: Lengths, size: number): Packs {
  let tokens = 0
  for (let example = 0; example < lengths.length; example++) tokens += lengths[example]
  const count = Math.ceil(tokens / size)
  /** [pack] the example that goes on or begins where it begins, and how far in */
  const firsts = new Int32Array(count)
  const starts = new Int32Array(count)
  let at = 0
  for (let example = 0; example < lengths.length; example++) {
    const end = at + lengths[example]
    for (let index = Math.ceil(at / size); index * size < end; index++) {
      firsts[index] = example
      starts[index] = index * size - at
    }
    at = end
  }
  return {
    count,
    tokens,
    get(index) {
      const pieces: Piece[] = []
      let room = Math.min(size, tokens - index * size)
      let start = starts[index]
      for (let example = firsts[index]; room > 0; example++) {
        const length = Math.min(room, lengths[example] - start)
        if (length > 0) pieces.push({ example, start, length })
        room -= length
        start = 0
      }
      return pieces
    },
  }
}
