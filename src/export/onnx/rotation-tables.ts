import { ropeFrequencies, type Rope } from '../../model/index.ts'
import type { GraphBuilder } from './graph-builder.ts'
import { castTo, type TokenValues } from './token-values.ts'

/** A position is counted in stretches of so many, and within one. */
const stretch = 256

/**
 * cos and sin [M, rotaryDim / 2] of the tokens' own positions. A position is a · 256 + b, and
 * cos(x + y) = cos x cos y − sin x sin y, sin(x + y) = sin x cos y + cos x sin y: two small tables in the place of one with a row for each
 * position, which would be hundreds of MB for long contexts. No runtime has to take the cosine of a large angle.
 */
export function rotationTables(
  graph: GraphBuilder,
  tokens: TokenValues,
  { rope, name, maxPositions }: { rope: Rope; name: string; maxPositions: number },
): { cos: string; sin: string } {
  const { node, scalar, integers } = graph
  const positions = node('Reshape', [tokens.positions, integers([-1])])
  const high = node('Div', [positions, scalar(stretch, 'int64')])
  const low = node('Sub', [positions, node('Mul', [high, scalar(stretch, 'int64')])])
  const rows = (part: Part, places: string) => node('Gather', [tableOf(part), places])
  const [highCos, highSin] = [rows('highCos', high), rows('highSin', high)]
  const [lowCos, lowSin] = [rows('lowCos', low), rows('lowSin', low)]
  const cos = node('Sub', [node('Mul', [highCos, lowCos]), node('Mul', [highSin, lowSin])])
  const sin = node('Add', [node('Mul', [highSin, lowCos]), node('Mul', [highCos, lowSin])])
  const grown = (value: string) =>
    rope.growth ? node('Mul', [value, growth(graph, positions, rope.growth)]) : value
  return { cos: grown(cos), sin: grown(sin) }

  /** The table of one part; of frequencies that depend on the length of the sequence, the one that it has. */
  function tableOf(part: Part): string {
    const table = (length: number, version: string) => {
      const { shape, values } = tablePart(rope, length, maxPositions, part)
      const data = new Uint8Array(values.buffer)
      return graph.initializer({ name: `${name}.${part}${version}`, type: 'float32', shape, data })
    }
    const { scaling } = rope
    if (scaling.type !== 'longrope') return table(0, '')
    const longest = node('ReduceMax', [tokens.positions], { keepdims: { int: 0 } })
    const isLong = node('GreaterOrEqual', [longest, scalar(scaling.originalMaxPositions, 'int64')])
    return node('Where', [isLong, table(scaling.originalMaxPositions + 1, '.long'), table(0, '.short')])
  }
}

type Part = 'highCos' | 'highSin' | 'lowCos' | 'lowSin'

function tablePart(
  rope: Rope,
  length: number,
  maxPositions: number,
  part: Part,
): { shape: number[]; values: Float32Array } {
  const { inverse, attentionScaling } = ropeFrequencies(rope, length)
  const isHigh = part.startsWith('high')
  const rows = isHigh ? Math.ceil(maxPositions / stretch) : stretch
  const half = inverse.length
  const values = new Float32Array(rows * half)
  for (let row = 0; row < rows; row += 1)
    for (let i = 0; i < half; i += 1) {
      // Frequencies are rounded as Transformers rounds them.
      const angle = row * (isHigh ? stretch : 1) * Math.fround(inverse[i])
      const value = part.endsWith('Cos') ? Math.cos(angle) : Math.sin(angle)
      values[row * half + i] = isHigh ? attentionScaling * value : value
    }
  return { shape: [rows, half], values }
}

/** 1 + beta · ln(1 + ⌊position / every⌋) [M, 1] */
function growth(
  graph: GraphBuilder,
  positions: string,
  { beta, every }: NonNullable<Rope['growth']>,
): string {
  const { node, scalar, integers } = graph
  const steps = castTo(graph, node('Div', [positions, scalar(every, 'int64')]), 'float32')
  const log = node('Log', [node('Add', [steps, scalar(1, 'float32')])])
  const factor = node('Add', [node('Mul', [log, scalar(beta, 'float32')]), scalar(1, 'float32')])
  return node('Reshape', [factor, integers([-1, 1])])
}
