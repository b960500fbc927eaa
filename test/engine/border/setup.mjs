// Engines, tensors and a program to call the addon with, and values that are nothing of that.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [addonPath, isaGiven, opcodes, folderGiven] = process.argv.slice(2)
export const [isa, folder] = [isaGiven, folderGiven]
export const addon = createRequire(import.meta.url)(addonPath)
const opcodeOf = (op) => JSON.parse(opcodes).indexOf(op)
export const [float32, bfloat16, int32, int8, nf4] = [0, 1, 2, 3, 4]

export const file = join(folder, 'weights')
writeFileSync(file, new Float32Array(64 * 64).fill(0.5))

export const makeRunner = () => new addon.Runner(isa, 2)
export const runner = makeRunner()
const other = makeRunner()

/** What is no number of anything. */
export const noNumbers = [
  undefined,
  null,
  Number.NaN,
  -1,
  1.5,
  Infinity,
  -Infinity,
  1e300,
  2 ** 53,
  '1',
  '',
  {},
  [],
  [1],
  true,
  1n,
  Symbol('one'),
  () => 1,
  new Proxy({}, { get: () => 1 }),
  new Date(1),
]
export const freed = runner.tensor(float32, [2], null)
runner.free(freed)
/** What is no tensor of `runner`. */
export const noHandles = [...noNumbers, 0, freed, other.tensor(float32, [4], null), 2 ** 40]
export const noShapes = [
  ...noNumbers.filter((value) => !Array.isArray(value)),
  [1, 1, 1, 1, 1],
  [2 ** 40, 2 ** 40],
  [2 ** 45],
  ...noNumbers.map((size) => [2, size]),
  Object.assign([], { length: 2 ** 32 - 1 }),
]
export const noFloats = [
  ...noNumbers.slice(2),
  new Int32Array(2),
  new Float64Array(2),
  new BigInt64Array(2),
  new Uint8Array(8),
  new DataView(new ArrayBuffer(8)),
  new ArrayBuffer(8),
  new Float32Array(100),
]
export const noPrograms = [...noNumbers, new (class {})(), runner, addon]

export const x = runner.tensor(float32, [2, 4], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8))
export const ids = runner.tensor(int32, [3], Int32Array.of(0, 1, 0))
export const mapped = runner.weight(float32, 64, [{ rows: 64, dtype: 0, path: file, offset: 0 }])
export const stack = runner.weight(float32, 4, [
  { rows: 2, dtype: 0, data: new Float32Array(8) },
  { rows: 2, dtype: 0, data: new Float32Array(8) },
])
export const quantised = runner.weight(int8, 64, [{ rows: 64, dtype: 0, path: file, offset: 0 }])

/** The numbers of a program; tensors are { place } in the arena or { handle }. Mirrors src/engine/kernels/program-code.ts. */
export function encode(tensors, commands) {
  const code = [tensors.length]
  for (const { place, handle, dtype = float32, shape = [1], symbol = -1, rowsOfEach = 1 } of tensors)
    code.push(
      place === undefined ? 0 : 1,
      place ?? handle,
      dtype,
      shape.length,
      ...Array.from({ length: 4 }, (_, i) => shape[i] ?? 0),
      symbol,
      rowsOfEach,
    )
  code.push(commands.length, commands.length)
  for (const { op, vjp = 0, inputs = [], outputs = [], attributes = [] } of commands)
    code.push(
      opcodeOf(op),
      vjp,
      inputs.length,
      ...inputs,
      outputs.length,
      ...outputs.flatMap((index) => [index, 0]),
      attributes.length,
      ...attributes,
    )
  return Float64Array.from(code)
}
/** y [3, 4] = x[ids], and the largest of each row. */
export const tensorsOfEmbedding = [
  { handle: ids },
  { handle: x },
  { place: 0, shape: [3, 4] },
  { place: 64, dtype: int32, shape: [3] },
]
export const commandsOfEmbedding = [
  { op: 'embedding', inputs: [0, 1], outputs: [2], attributes: [1] },
  { op: 'argmax', inputs: [2], outputs: [3] },
]
export const embedding = encode(tensorsOfEmbedding, commandsOfEmbedding)
export const program = runner.compile(embedding, 128)
const theirs = makeRunner()
export const theirFill = theirs.compile(
  encode([{ place: 0, shape: [3] }], [{ op: 'fill', outputs: [0], attributes: [1] }]),
  64,
)

/** [name, call]; each call must throw an Error, or reject with one. */
export const calls = []
export const refuse = (name, call) => calls.push([name, call])
export const text = (value) => {
  if (typeof value === 'symbol' || typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.slice(0, 4).map(text).join(', ')}]`
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value)
  return String(value)
}
