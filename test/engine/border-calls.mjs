// Calls every entry of the addon with wrong things, in a process of its own: `node border-calls.mjs ADDON ISA OPCODES FOLDER`.
// Prints a JSON line before each call and one with its error after it, so that a crash has a name.
import { writeFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [addonPath, isa, opcodes, folder] = process.argv.slice(2)
const addon = createRequire(import.meta.url)(addonPath)
const opcodeOf = (op) => JSON.parse(opcodes).indexOf(op)
const [float32, bfloat16, int32, int8, nf4] = [0, 1, 2, 3, 4]

const file = join(folder, 'weights')
writeFileSync(file, new Float32Array(64 * 64).fill(0.5))

const makeRunner = () => new addon.Runner(isa, 2)
const runner = makeRunner()
const other = makeRunner()

/** What is no number of anything. */
const noNumbers = [
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
const freed = runner.tensor(float32, [2], null)
runner.free(freed)
/** What is no tensor of `runner`. */
const noHandles = [...noNumbers, 0, freed, other.tensor(float32, [4], null), 2 ** 40]
const noShapes = [
  ...noNumbers.filter((value) => !Array.isArray(value)),
  [1, 1, 1, 1, 1],
  [2 ** 40, 2 ** 40],
  [2 ** 45],
  ...noNumbers.map((size) => [2, size]),
  Object.assign([], { length: 2 ** 32 - 1 }),
]
const noFloats = [
  ...noNumbers.slice(2),
  new Int32Array(2),
  new Float64Array(2),
  new BigInt64Array(2),
  new Uint8Array(8),
  new DataView(new ArrayBuffer(8)),
  new ArrayBuffer(8),
  new Float32Array(100),
]
const noPrograms = [...noNumbers, new (class {})(), runner, addon]

const x = runner.tensor(float32, [2, 4], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8))
const ids = runner.tensor(int32, [3], Int32Array.of(0, 1, 0))
const mapped = runner.weight(float32, 64, [{ rows: 64, dtype: 0, path: file, offset: 0 }])
const stack = runner.weight(float32, 4, [
  { rows: 2, dtype: 0, data: new Float32Array(8) },
  { rows: 2, dtype: 0, data: new Float32Array(8) },
])
const quantised = runner.weight(int8, 64, [{ rows: 64, dtype: 0, path: file, offset: 0 }])

/** The numbers of a program; tensors are { place } in the arena or { handle }. Mirrors src/engine/native/program-code.ts. */
function encode(tensors, commands) {
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
const tensorsOfEmbedding = [
  { handle: ids },
  { handle: x },
  { place: 0, shape: [3, 4] },
  { place: 64, dtype: int32, shape: [3] },
]
const commandsOfEmbedding = [
  { op: 'embedding', inputs: [0, 1], outputs: [2] },
  { op: 'argmax', inputs: [2], outputs: [3] },
]
const embedding = encode(tensorsOfEmbedding, commandsOfEmbedding)
const program = runner.compile(embedding, 128)
const theirs = makeRunner()
const theirFill = theirs.compile(
  encode([{ place: 0, shape: [3] }], [{ op: 'fill', outputs: [0], attributes: [1] }]),
  64,
)

/** Each method with arguments that it takes, and for each place what it does not take there. */
const methods = {
  tensor: { good: [float32, [2], null], wrong: [[...noNumbers, 3, 7], noShapes, noFloats] },
  weight: {
    good: [float32, 2, [{ rows: 1, dtype: 0, data: new Float32Array(2) }]],
    wrong: [
      [...noNumbers, int32, 7],
      [...noNumbers, 0],
      [
        ...noNumbers.filter((value) => !Array.isArray(value)),
        [],
        ...noNumbers.map((part) => [part]),
        ...noNumbers.map((rows) => [{ rows, dtype: 0, data: new Float32Array(2) }]),
        [{ rows: 0, dtype: 0, data: new Float32Array(2) }],
        ...[...noNumbers, 3].map((dtype) => [{ rows: 1, dtype, data: new Float32Array(2) }]),
        ...[...noNumbers, new Float32Array(1), new Int8Array(8), new Float64Array(2)].map((data) => [
          { rows: 1, dtype: 0, data },
        ]),
        ...[...noNumbers, 2 ** 53 - 1, 64 * 64 * 4 - 7].map((offset) => [
          { rows: 1, dtype: 0, path: file, offset },
        ]),
        ...[folder, `${file}.absent`, '', '/dev/zero', '\0'].map((path) => [
          { rows: 1, dtype: 0, path, offset: 0 },
        ]),
        Array.from({ length: 3 }, () => ({ rows: 2 ** 43, dtype: 0, path: file, offset: 0 })),
      ],
    ],
  },
  quantised: {
    good: [mapped, nf4],
    wrong: [
      [...noHandles, ids, quantised, runner.tensor(float32, [64], null)],
      [...noNumbers, 0, 1, 2, 7],
    ],
  },
  stream: {
    good: [[mapped]],
    wrong: [[...noNumbers.filter((value) => !Array.isArray(value)), ...noHandles.map((handle) => [handle])]],
  },
  view: {
    good: [x, 1, [2]],
    wrong: [
      [...noHandles, stack, quantised],
      [...noNumbers, 9],
      [...noShapes, [8], [2, 4]],
    ],
  },
  write: {
    good: [x, Float32Array.of(1)],
    wrong: [
      [...noHandles, ids, mapped, stack, quantised, runner.view(mapped, 0, [4])],
      [...noFloats, undefined, null],
    ],
  },
  read: { good: [x], wrong: [noHandles] },
  readOutput: {
    good: [program, 2],
    wrong: [
      [...noPrograms, theirFill],
      [...noNumbers, 4],
    ],
  },
  readLargest: {
    good: [program, 2, 1],
    wrong: [
      [...noPrograms, theirFill],
      [...noNumbers, 0, 4],
      [...noNumbers, 0],
    ],
  },
  compile: {
    good: [embedding, 128],
    wrong: [
      [...noNumbers, [...embedding], new Float32Array(embedding), new Float64Array(0)],
      [...noNumbers, 0, 64, 2 ** 47],
    ],
  },
  run: {
    good: [program, []],
    wrong: [
      [...noPrograms, theirFill],
      [...noNumbers.filter((value) => !Array.isArray(value)), ...noNumbers.map((count) => [count])],
    ],
  },
  finish: { good: [program], wrong: [[...noPrograms, theirFill]] },
  repeat: {
    good: [program, 1, 3, ids, runner.tensor(int32, [1], null), () => false],
    wrong: [
      [...noPrograms, theirFill],
      noNumbers,
      [...noNumbers, 1, 2, 4],
      [...noHandles, x],
      [...noHandles, x],
      noNumbers.filter((value) => typeof value !== 'function'),
    ],
  },
  free: { good: [runner.tensor(float32, [1], null)], wrong: [noHandles] },
  release: { good: [], wrong: [] },
  profile: { good: [], wrong: [] },
}

/** [name, call]; each must throw an Error, or reject with one. */
const calls = []
const refuse = (name, call) => calls.push([name, call])
const text = (value) => {
  if (typeof value === 'symbol' || typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.slice(0, 4).map(text).join(', ')}]`
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value)
  return String(value)
}

for (const [name, { good, wrong }] of Object.entries(methods)) {
  wrong.forEach((values, place) => {
    for (const value of values)
      refuse(`${name}: argument ${place} is ${text(value)}`, () => runner[name](...good.with(place, value)))
  })
  if (wrong.length > 0) refuse(`${name}: no arguments`, () => runner[name]())
  for (const self of [
    undefined,
    null,
    1,
    {},
    addon,
    addon.Runner,
    addon.Runner.prototype,
    Object.create(runner),
    new Map(),
    process,
  ])
    refuse(`${name}: on ${text(self)}`, () => Reflect.apply(addon.Runner.prototype[name], self, good))
}
for (const name of ['constructor', ...Object.keys(methods), 'close'])
  if (name !== 'constructor') refuse(`new ${name}`, () => new addon.Runner.prototype[name]())

for (const wrong of [...noNumbers, 'amx9', '__proto__'])
  refuse(`Runner: isa ${text(wrong)}`, () => new addon.Runner(wrong, 1))
for (const wrong of [...noNumbers, 0, 1025, 1e9])
  refuse(`Runner: threads ${text(wrong)}`, () => new addon.Runner(isa, wrong))
refuse('Runner: without new', () => addon.Runner(isa, 1))
for (const wrong of noNumbers) {
  refuse(`peaks: isa ${text(wrong)}`, () => addon.peaks(wrong, 1, 0, 0.001))
  refuse(`peaks: threads ${text(wrong)}`, () => addon.peaks(isa, wrong, 0, 0.001))
  refuse(`peaks: bytes ${text(wrong)}`, () => addon.peaks(isa, 1, wrong, 0.001))
  if (wrong !== 1.5) refuse(`peaks: seconds ${text(wrong)}`, () => addon.peaks(isa, 1, 0, wrong))
  refuse(`readPeak: isa ${text(wrong)}`, () => addon.readPeak(wrong, 1, 0))
  refuse(`readPeak: threads ${text(wrong)}`, () => addon.readPeak(isa, wrong, 0))
  refuse(`readPeak: bytes ${text(wrong)}`, () => addon.readPeak(isa, 1, wrong))
}

// What code that runs while arguments are read can do.
const closing = makeRunner()
refuse('weight: a part that closes the engine when it is read', () =>
  closing.weight(float32, 2, [
    {
      get rows() {
        closing.close()
        return 1
      },
      dtype: 0,
      data: new Float32Array(2),
    },
  ]),
)
refuse('weight: a part that throws when it is read', () =>
  runner.weight(float32, 2, [
    {
      get rows() {
        throw new Error('trap')
      },
    },
  ]),
)
refuse('tensor: a shape that throws when it is read', () =>
  runner.tensor(
    float32,
    new Proxy([1, 2], {
      get() {
        throw new Error('trap')
      },
    }),
    null,
  ),
)
const detached = new Float32Array(2)
refuse('weight: data that is taken away when the next part is read', () =>
  runner.weight(float32, 2, [
    { rows: 1, dtype: 0, data: detached },
    {
      get rows() {
        structuredClone(detached, { transfer: [detached.buffer] })
        return 1
      },
      dtype: 0,
      data: new Float32Array(2),
    },
  ]),
)
const viewed = runner.tensor(float32, [4], null)
const freeing = Object.defineProperty([1, 1], 0, {
  get() {
    runner.free(viewed)
    return 1
  },
})
refuse('view: a shape that frees the tensor when it is read', () => runner.view(viewed, 0, freeing))
const endless = []
endless.length = 100
refuse('stream: holes', () => runner.stream(endless))

// More memory than there is.
refuse('tensor: 64 TiB', () => runner.tensor(float32, [2 ** 43 - 1], null))
refuse('run: 64 TiB of activations', async () => {
  const large = runner.compile(
    encode([{ place: 0, shape: [3] }], [{ op: 'fill', outputs: [0], attributes: [1] }]),
    2 ** 46,
  )
  await runner.run(large, [])
})
const readMuch = () => {
  const much = runner.tensor(bfloat16, [2 ** 33], null)
  try {
    return runner.read(much)
  } finally {
    runner.free(much)
  }
}
refuse('read: more numbers than an array of JavaScript holds', readMuch)

// Programs.
for (let length = 0; length < embedding.length; length += 1)
  refuse(`compile: the first ${length} numbers of a program`, () =>
    runner.compile(embedding.slice(0, length), 128),
  )
refuse('compile: a number too many', () => runner.compile(Float64Array.of(...embedding, 0), 128))
const compileWith = (name, tensors, commands, bytes = 4096) =>
  refuse(`compile: ${name}`, () => runner.compile(encode(tensors, commands), bytes))
const changed = (at, values) => tensorsOfEmbedding.with(at, { ...tensorsOfEmbedding[at], ...values })
compileWith(
  'a tensor outside of the memory',
  changed(2, { place: 4096 - 64, shape: [300, 4] }),
  commandsOfEmbedding,
)
compileWith('a tensor beside the alignment', changed(2, { place: 4 }), commandsOfEmbedding)
compileWith('a tensor of quantised numbers in the memory', changed(2, { dtype: int8 }), commandsOfEmbedding)
compileWith('a tensor without elements', changed(2, { shape: [0, 4] }), commandsOfEmbedding)
compileWith('sizes whose product overflows', changed(2, { shape: [2 ** 32, 2 ** 32] }), commandsOfEmbedding)
for (const symbol of [-2, 64, 0.5, Number.NaN])
  compileWith(`rows counted in ${symbol}`, changed(2, { symbol }), commandsOfEmbedding)
for (const rowsOfEach of [0, -1, 1.5, Infinity])
  compileWith(`${rowsOfEach} rows of each`, changed(2, { symbol: 0, rowsOfEach }), commandsOfEmbedding)
compileWith('rows of a stack that change', changed(1, { handle: stack, symbol: 0 }), commandsOfEmbedding)
compileWith('a freed tensor', changed(1, { handle: freed }), commandsOfEmbedding)
compileWith("another engine's tensor", changed(1, { handle: noHandles.at(-2) }), commandsOfEmbedding)
compileWith('rows of another width', changed(2, { shape: [3, 5] }), commandsOfEmbedding)
compileWith('fewer rows than ids', changed(2, { shape: [2, 4] }), commandsOfEmbedding)
compileWith('floats as ids', tensorsOfEmbedding, [{ op: 'embedding', inputs: [1, 1], outputs: [2] }])
compileWith('no table', tensorsOfEmbedding, [{ op: 'embedding', inputs: [0, -1], outputs: [2] }])
compileWith('no output', tensorsOfEmbedding, [{ op: 'embedding', inputs: [0, 1], outputs: [] }])
compileWith('an index that is none', tensorsOfEmbedding, [{ op: 'embedding', inputs: [0, 1], outputs: [4] }])
compileWith('too many inputs', tensorsOfEmbedding, [{ op: 'embedding', inputs: [0, 1, 1], outputs: [2] }])
compileWith('17 inputs', tensorsOfEmbedding, [{ op: 'embedding', inputs: Array(17).fill(0), outputs: [2] }])
compileWith('attributes that the op has none of', tensorsOfEmbedding, [
  { op: 'embedding', inputs: [0, 1], outputs: [2], attributes: [1] },
])
compileWith('an opcode that is none', tensorsOfEmbedding, [{ op: 'no op' }])
compileWith('the gradient of an op without one', tensorsOfEmbedding, [
  { op: 'argmax', vjp: 1, inputs: [2], outputs: [3] },
])
compileWith('a vjp without the gradient that it is given', tensorsOfEmbedding, [
  { op: 'embedding', vjp: 1, inputs: [0, 1], outputs: [1] },
])
compileWith('an output over the ids', changed(3, { place: 0, dtype: int32, shape: [3] }), [
  { op: 'argmax', inputs: [2], outputs: [3] },
  { op: 'embedding', inputs: [3, 1], outputs: [2] },
])
compileWith('a file as output', [{ handle: mapped }], [{ op: 'fill', outputs: [0], attributes: [0] }])
compileWith('a stack as output', [{ handle: stack }], [{ op: 'fill', outputs: [0], attributes: [0] }])
compileWith(
  'quantised numbers as output',
  [{ handle: quantised }],
  [{ op: 'fill', outputs: [0], attributes: [0] }],
)
const linear = (attributes, weight = { handle: mapped }) => [
  [{ place: 0, shape: [2, 64] }, weight, { place: 1024, shape: [2, 64] }],
  [{ op: 'linear', inputs: [0, 1], outputs: [2], attributes }],
]
for (const attributes of [
  [],
  [1, 0, 0, 0],
  [1, 0, 0, 0, 3, 65, 0, 1],
  [1, 0, 0, 0, 3, -1, 0, 1],
  [1, 0, 0, 0, 3, 0.5, 0, 1],
  [1, 0, 0, 0, 2, 64, 0],
  [1, 0, 0, 0, 6, 64, 0, 1],
  [1, 0, 0, 0, 1e9],
  [1, 0, 0, 0, -3],
  [1, 1, 0, 0, 3, 64, 0, 1],
  [1, Number.NaN, 0, 0, 3, 64, 0, 1],
  [2, 0, 0, 0, 3, 64, 0, 1],
  [1, 0, 1e12, 0, 3, 64, 0, 1],
])
  compileWith(`linear with attributes ${attributes}`, ...linear(attributes))
compileWith(
  'segments that begin inside of a group of quantised rows',
  ...linear([1, 0, 0, 0, 6, 7, 0, 1, 57, 0, 1], { handle: quantised }),
)
const qkv = [
  { place: 0, shape: [2, 12] },
  { handle: ids },
  { place: 128, shape: [2, 4] },
  { place: 192, shape: [2, 2] },
]
for (const attributes of [
  [2, 2, 0, 1, 0],
  [-2, -2, -2, 1, 0],
  [2, 2, 2, 1, -1],
  [2 ** 30, 2 ** 30, 2 ** 30, 1, 0],
  [2, 3, 2, 1, 0],
  [2, 2, Number.NaN, 1, 0],
])
  compileWith(`attention with attributes ${attributes}`, qkv, [
    { op: 'attention', inputs: [0, 1], outputs: [2, 3], attributes },
  ])

// Places that are none.
const runWith = (name, integers, at, value, make) =>
  refuse(`run: ${name} ${value}`, async () => {
    const values = runner.tensor(int32, [3], Int32Array.from(integers).with(at, value))
    await runner.run(runner.compile(make(values), 4096), [])
  })
for (const value of [-1, 2, 2 ** 31 - 1, -(2 ** 31)])
  runWith('id', [0, 1, 0], 1, value, (values) =>
    encode([{ handle: values }, ...tensorsOfEmbedding.slice(1)], commandsOfEmbedding),
  )
for (const value of [-2, 2, 2 ** 31 - 1])
  runWith('row', [0, 1, -1], 2, value, (values) =>
    encode(
      [{ handle: x }, { handle: values }, { place: 0, shape: [3, 4] }],
      [{ op: 'selectRows', inputs: [0, 1], outputs: [2] }],
    ),
  )
const tables = runner.tensor(float32, [5, 2], null)
for (const value of [-1, 5])
  runWith('position', [0, 4, 1], 0, value, (values) =>
    encode(
      [{ place: 0, shape: [3, 4] }, { handle: values }, { handle: tables }],
      [{ op: 'rope', inputs: [0, 1, 2, 2], outputs: [0], attributes: [4, 4, 1] }],
    ),
  )
const cache = runner.tensor(float32, [2, 5, 4], null)
const zeros = runner.tensor(int32, [3], null)
for (const [name, limit] of [
  ['slot', 2],
  ['position of a cache', 5],
])
  for (const value of [-1, limit])
    runWith(name, [0, 1, 1], 2, value, (values) =>
      encode(
        [
          { place: 0, shape: [3, 12] },
          { handle: name === 'slot' ? values : zeros },
          { handle: name === 'slot' ? zeros : values },
          { handle: cache },
          { place: 192, shape: [3, 4] },
        ],
        [{ op: 'cachedAttention', inputs: [0, 1, 2, 3, 3], outputs: [4], attributes: [4, 1, 1, 1, 0] }],
      ),
    )
for (const [place, limit] of [
  [0, 2],
  [1, 2],
  [2, 6],
])
  for (const value of [-1, limit])
    runWith(`copySlots ${place}`, [0, 1, 1], 0, value, (values) =>
      encode(
        [{ handle: values }, { handle: zeros }, { handle: cache }],
        [{ op: 'copySlots', inputs: [1, 1, 1, 2, 2].with(place, 0) }],
      ),
    )
for (const value of [2, -2])
  runWith('target', [0, 1, -1], 1, value, (values) =>
    encode(
      [
        { place: 0, shape: [3, 4] },
        { handle: x },
        { handle: values },
        { place: 64, shape: [3] },
        { place: 128, shape: [3] },
      ],
      [{ op: 'targetLogProbs', inputs: [0, 1, 2], outputs: [3, 4] }],
    ),
  )

refuse('run: more rows than there is room for', () =>
  runner.run(runner.compile(encode(changed(2, { symbol: 0 }), commandsOfEmbedding), 4096), [4]),
)
refuse('run: an id behind the rows of this run, which a tensor of more rows leads to', async () => {
  const values = runner.tensor(int32, [3], Int32Array.of(0, 1, 9))
  const counted = [{ handle: values, symbol: 0 }, ...tensorsOfEmbedding.slice(1)]
  await runner.run(runner.compile(encode(counted, commandsOfEmbedding), 4096), [1])
})

// Outputs that are not there.
const never = runner.compile(embedding, 128)
refuse('readOutput: a program that never ran', () => runner.readOutput(never, 2))
refuse('readOutput: memory that was given back', async () => {
  await runner.run(program, [])
  runner.readOutput(program, 2)
  runner.release()
  return runner.readOutput(program, 2)
})
refuse('readOutput: another program ran since', async () => {
  await runner.run(program, [])
  await runner.run(never, [])
  return runner.readOutput(program, 2)
})
refuse('readLargest: integers', async () => {
  await runner.run(program, [])
  return runner.readLargest(program, 3, 1)
})
refuse('readOutput: a program that failed', async () => {
  const failing = runner.compile(
    encode(
      [{ handle: runner.tensor(int32, [3], Int32Array.of(0, 9, 0)) }, ...tensorsOfEmbedding.slice(1)],
      commandsOfEmbedding,
    ),
    128,
  )
  await runner.run(failing, []).catch(() => {})
  return runner.readOutput(failing, 2)
})
refuse('repeat: a callback that throws', async () => {
  const starts = runner.tensor(int32, [3], null)
  const repeated = runner.compile(
    encode([{ handle: starts }, ...tensorsOfEmbedding.slice(1)], commandsOfEmbedding),
    128,
  )
  await runner.repeat(repeated, 5, 3, starts, zeros, () => {
    throw new Error('the terminal is gone')
  })
})

// While a program runs: everything that would meet its memory is refused.
const [wide, work] = [runner.tensor(float32, [2048, 512], null), runner.tensor(float32, [512, 512], null)]
const long = runner.compile(
  encode(
    [{ handle: wide }, { handle: work }, { place: 0, shape: [2048, 512] }],
    Array.from({ length: 20 }, () => ({
      op: 'linear',
      inputs: [0, 1],
      outputs: [2],
      attributes: [1, 0, 0, 0, 3, 512, 0, 1],
    })),
  ),
  2048 * 512 * 4,
)
let running
for (const name of [
  'weight',
  'quantised',
  'stream',
  'write',
  'read',
  'readOutput',
  'readLargest',
  'run',
  'finish',
  'repeat',
  'release',
  'close',
  'profile',
])
  refuse(`${name}: while a program runs`, () => {
    running ??= runner.run(long, [])
    return runner[name](...(methods[name]?.good ?? []))
  })
refuse('run: what was free while a program ran', async () => {
  const held = runner.tensor(float32, [1], null)
  runner.free(runner.view(held, 0, [1]))
  runner.free(wide)
  runner.compile(embedding, 128)
  await running
  throw new Error('and it ran to its end')
})

// After the end.
const closed = makeRunner()
closed.compile(encode([{ place: 0, shape: [3] }], [{ op: 'fill', outputs: [0], attributes: [1] }]), 64)
closed.close()
for (const [name, { good }] of Object.entries(methods))
  refuse(`${name}: after close`, () => closed[name](...good))
refuse('close: twice', () => closed.close())

const write = (line) => writeSync(1, `${JSON.stringify(line)}\n`)
for (const [name, call] of calls) {
  write({ begins: name })
  try {
    await call()
    write({ name, error: null })
  } catch (error) {
    write({ name, error: error instanceof Error ? error.message : `no Error: ${text(error)}` })
  }
}

// And it still computes.
runner.release()
await runner.run(program, [])
write({ end: [...runner.readOutput(program, 2)] })
