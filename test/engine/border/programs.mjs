// Programs that would leave their tensors, and integers that are places of nothing.
import {
  runner,
  freed,
  noHandles,
  x,
  ids,
  mapped,
  stack,
  quantised,
  encode,
  tensorsOfEmbedding,
  commandsOfEmbedding,
  embedding,
  refuse,
  float32,
  int32,
  int8,
} from './setup.mjs'

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
compileWith('floats as ids', tensorsOfEmbedding, [
  { op: 'embedding', inputs: [1, 1], outputs: [2], attributes: [1] },
])
compileWith('no table', tensorsOfEmbedding, [
  { op: 'embedding', inputs: [0, -1], outputs: [2], attributes: [1] },
])
compileWith('no output', tensorsOfEmbedding, [
  { op: 'embedding', inputs: [0, 1], outputs: [], attributes: [1] },
])
compileWith('an index that is none', tensorsOfEmbedding, [
  { op: 'embedding', inputs: [0, 1], outputs: [4], attributes: [1] },
])
compileWith('too many inputs', tensorsOfEmbedding, [
  { op: 'embedding', inputs: [0, 1, 1], outputs: [2], attributes: [1] },
])
compileWith('17 inputs', tensorsOfEmbedding, [
  { op: 'embedding', inputs: Array(17).fill(0), outputs: [2], attributes: [1] },
])
compileWith('attributes that the op has none of', tensorsOfEmbedding, [
  { op: 'embedding', inputs: [0, 1], outputs: [2], attributes: [1, 1] },
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
  { op: 'embedding', inputs: [3, 1], outputs: [2], attributes: [1] },
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
  [2, 2, 0, 1, 0, 0],
  [-2, -2, -2, 1, 0, 0],
  [2, 2, 2, 1, 0, -1],
  [2 ** 30, 2 ** 30, 2 ** 30, 1, 0, 0],
  [2, 3, 2, 1, 0, 0],
  [2, 2, Number.NaN, 1, 0, 0],
])
  compileWith(`attention with attributes ${attributes}`, qkv, [
    { op: 'attention', inputs: [0, 1, -1], outputs: [2, 3], attributes },
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
      [{ op: 'rope', inputs: [0, 1, 2, 2], outputs: [0], attributes: [4, 4, 0, 1] }],
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
        [
          {
            op: 'cachedAttention',
            inputs: [0, 1, 2, 3, 3, -1],
            outputs: [4],
            attributes: [4, 1, 1, 1, 0, 0],
          },
        ],
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
