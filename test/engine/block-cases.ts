import type { BlockType } from '../../src/engine/block-types.ts'
import { blockTypes, decodeBlocks, rowBytes } from '../../src/engine/block-types.ts'
import type { OpName } from '../../src/engine/ops.ts'
import type { BlockPart } from '../../src/engine/tensor.ts'
import type { Case, Value } from './make-case.ts'
import { random } from './random.ts'

/** Where a block has its half-precision scales, and what makes its numbers about as large as those of a weight. */
const scalesAt: { readonly [T in BlockType]: readonly (readonly [byte: number, scale: number])[] } = {
  Q8_0: [[0, 0.001]],
  Q4_0: [[0, 0.02]],
  Q4_1: [
    [0, 0.02],
    [2, 0.15],
  ],
  Q4_K: [
    [0, 0.0005],
    [2, 0.004],
  ],
  Q6_K: [[208, 0.00005]],
  IQ4_NL: [[0, 0.001]],
  MXFP4: [],
  affine4: [[0, 0.02]],
  affine8: [[0, 0.001]],
}

/** Random rows in blocks of a type. */
export function randomBlocks(dtype: BlockType, rows: number, columns: number, seed: number): Uint8Array {
  const r = random(seed)
  const bytes = Uint8Array.from(r.integers(rows * rowBytes(dtype, columns), 256))
  const { blockBytes } = blockTypes[dtype]
  for (let at = 0; at < bytes.length; at += blockBytes) {
    for (const [byte, scale] of scalesAt[dtype]) {
      const half = Math.round(1024 * 2 ** Math.ceil(-Math.log2(scale)) * scale * (1 + r.uniform())) / 1024
      const exponent = Math.floor(Math.log2(half)) - Math.ceil(-Math.log2(scale))
      const fraction = Math.round(1023 * r.uniform())
      const bits = ((exponent + 15) << 10) | fraction | (r.uniform() < 0.3 ? 0x8000 : 0)
      bytes[at + byte] = bits & 255
      bytes[at + byte + 1] = bits >> 8
    }
    if (dtype === 'MXFP4') bytes[at] = 120 + (bytes[at] % 8)
    if (dtype.startsWith('affine')) bytes[at + 3] = 0
    if (dtype === 'affine4') bytes[at + 2] %= 17
  }
  return bytes
}

/** The same case with a weight in blocks: of each part so many rows of a type. No gradient of it is asked for. */
export function inBlocks<K extends OpName>(
  { inputs, gradients, name, ...rest }: Case<K>,
  input: 'weight' | 'table',
  parts: readonly (readonly [BlockType, number])[],
  wanted: Case<K>['gradients'],
): Case<K> {
  const value = (inputs as Readonly<Record<string, Value | null>>)[input]
  const columns = value?.shape[1] ?? 0
  const made = parts.map(([dtype, rows], i): BlockPart & { data: Uint8Array } => ({
    dtype,
    rows,
    data: randomBlocks(dtype, rows, columns, i + columns),
  }))
  const data = Float32Array.from(made.flatMap((part) => [...decodeBlocks(part.data, part.dtype)]))
  if (data.length !== value?.data.length) throw new Error(`${name}: parts of other rows`)
  const held: Value = { ...value, data, form: 'blocks', parts: made }
  return {
    ...rest,
    name: `${name}, ${[...new Set(parts.map(([type]) => type))].join(' and ')}`,
    inputs: { ...inputs, [input]: held },
    gradients: wanted ?? gradients ?? [],
  }
}
