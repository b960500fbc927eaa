import type { GraphBuilder } from './graph-builder.ts'

/**
 * The columns of a value, in pieces that stand beside one another: what is taken apart and put together again op by op (queries,
 * keys and values of one projection, the part of them that turns) is not copied each time.
 */
export type Columns = readonly Piece[]

interface Piece {
  value: string
  width: number
}

export function widthOf(columns: Columns): number {
  return columns.reduce((sum, { width }) => sum + width, 0)
}

/** All columns as one value. */
export function whole(graph: GraphBuilder, columns: Columns): string {
  if (columns.length === 1) return columns[0].value
  return graph.node(
    'Concat',
    columns.map(({ value }) => value),
    { axis: { int: -1 } },
  )
}

/** Columns in stretches of these widths, which are all of them. */
export function split(graph: GraphBuilder, columns: Columns, widths: readonly number[]): Columns[] {
  const cuts = cutsWithin(widths)
  const pieces = columns.flatMap((piece, i) => {
    const start = widthOf(columns.slice(0, i))
    const inside = cuts.filter((cut) => cut > start && cut < start + piece.width).map((cut) => cut - start)
    if (inside.length === 0) return [piece]
    const bounds = [0, ...inside, piece.width]
    const parts = inside.concat(piece.width).map((end, j) => end - bounds[j])
    const values = graph.nodes('Split', [piece.value, graph.integers(parts)], parts.length, {
      axis: { int: -1 },
    })
    return values.map((value, j) => ({ value, width: parts[j] }))
  })
  let at = 0
  return widths.map((width) => {
    const found: Piece[] = []
    for (let taken = 0; taken < width; at += 1) {
      found.push(pieces[at])
      taken += pieces[at].width
    }
    return found
  })
}

function cutsWithin(widths: readonly number[]): number[] {
  let sum = 0
  return widths.map((width) => (sum += width))
}
