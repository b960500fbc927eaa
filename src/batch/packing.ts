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

const packers: { [Strategy in PackingStrategy]: (lengths: ArrayLike<number>, size: number) => Piece[][] } = {
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
export function pack(lengths: ArrayLike<number>, size: number, strategy: PackingStrategy = 'bfd'): Piece[][] {
  return packers[strategy](lengths, size)
}

function wholePieces(lengths: ArrayLike<number>, size: number): Piece[] {
  const pieces: Piece[] = []
  for (let example = 0; example < lengths.length; example++)
    if (lengths[example] > 0) pieces.push({ example, start: 0, length: Math.min(lengths[example], size) })
  return pieces
}

function splitPieces(lengths: ArrayLike<number>, size: number): Piece[] {
  const pieces: Piece[] = []
  for (let example = 0; example < lengths.length; example++)
    for (let start = 0; start < lengths[example]; start += size)
      pieces.push({ example, start, length: Math.min(lengths[example] - start, size) })
  return pieces
}

interface Bin {
  pieces: Piece[]
  space: number
}

/**
 * Best fit decreasing: the longest piece first, each into the fullest pack that has room, of equals the one that has
 * been this full for longest. Source: Ding et al. 2024, arXiv:2404.10830.
 */
function bestFitDecreasing(pieces: readonly Piece[], size: number): Piece[][] {
  const bins: Bin[] = []
  const open = openBins(size)
  for (const piece of pieces.toSorted((a, b) => b.length - a.length)) {
    let bin = open.take(piece.length)
    if (bin === undefined) {
      bin = { pieces: [], space: size }
      bins.push(bin)
    }
    bin.pieces.push(piece)
    bin.space -= piece.length
    open.put(bin)
  }
  return bins.map((bin) => bin.pieces)
}

/** Packs with room, by their room: a queue for each, and a tree that finds the smallest that suffices. */
function openBins(size: number) {
  const queues: { bins: Bin[]; head: number }[] = Array.from({ length: size + 1 }, () => ({
    bins: [],
    head: 0,
  }))
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
    put(bin: Bin) {
      if (bin.space === 0) return
      queues[bin.space].bins.push(bin)
      count(bin.space, 1)
    },
    take(length: number): Bin | undefined {
      const room = find(length)
      if (room === undefined) return undefined
      const queue = queues[room]
      const bin = queue.bins[queue.head++]
      if (queue.head === queue.bins.length) queues[room] = { bins: [], head: 0 }
      count(room, -1)
      return bin
    },
  }
}

function wrapped(lengths: ArrayLike<number>, size: number): Piece[][] {
  const packs: Piece[][] = []
  let room = 0
  for (let example = 0; example < lengths.length; example++) {
    for (let start = 0; start < lengths[example];) {
      if (room === 0) {
        packs.push([])
        room = size
      }
      const length = Math.min(room, lengths[example] - start)
      packs[packs.length - 1].push({ example, start, length })
      room -= length
      start += length
    }
  }
  return packs
}
