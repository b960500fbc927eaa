// Every entry of the addon with wrong arguments, on wrong objects, and with arguments that do something when they are read.
import {
  addon,
  file,
  makeRunner,
  runner,
  noNumbers,
  noHandles,
  noShapes,
  noFloats,
  noPrograms,
  x,
  ids,
  mapped,
  stack,
  quantised,
  encode,
  embedding,
  program,
  theirFill,
  refuse,
  text,
  isa,
  folder,
  float32,
  bfloat16,
  int32,
  nf4,
} from './setup.mjs'

/** Each method with arguments that it takes, and for each place what it does not take there. */
export const methods = {
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
