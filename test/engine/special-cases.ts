import type { OpName } from '../../src/engine/ops.ts'
import { blockTypes } from '../../src/engine/block-types.ts'
import type { BlockType } from '../../src/engine/block-types.ts'
import { inBlocks } from './block-cases.ts'
import type { Case } from './make-case.ts'
import { apart, casesOf, exactly, gains, makeCase, normal } from './make-case.ts'
import {
  adafactor,
  adamw,
  argmax,
  attention,
  cachedAttention,
  cachedCausalConv,
  cachedGatedDelta,
  causalConv,
  copySlots,
  gatedDelta,
  expertLinear,
  linear,
  muon,
  qkNorm,
  rope,
  selectRows,
  targetLogProbs,
} from './op-cases.ts'

const blockNames = Object.keys(blockTypes) as BlockType[]
const embedding = casesOf('embedding', { attributes: { scale: 1 } })
const rmsNorm = casesOf('rmsNorm', {
  attributes: { eps: 1e-5, fromOutput: 0 },
  roles: { x: 'float32', gain: 'float32' },
  data: { x: normal(1.5), gain: gains },
})
const fromOutput = { attributes: { eps: 1e-5, fromOutput: 1 }, gradients: ['x'] } as const
const glu = casesOf('glu', { attributes: { activation: 0 } })
const route = casesOf('route', { attributes: { topK: 2, normalised: 1 }, data: { logits: apart } })
const overAll = { attributes: { topK: 3, normalised: 0 } } as const
const expertGlu = casesOf('expertGlu', { attributes: { activation: 0, gain: 1, limit: 0 } })
const activation = casesOf('activation', { attributes: { activation: 0 } })
const gateColumns = casesOf('gateColumns', {
  attributes: { activation: 0, first: 0 },
  roles: { up: 'float32' },
})
const joinColumns = casesOf('joinColumns', { attributes: { first: 0, width: 1 } })
const layerNorm = casesOf('layerNorm', { attributes: { eps: 1e-5 }, data: { gain: gains } })
const dropout = casesOf('dropout', { attributes: { dropout: 0.3, seed: 3, rest: 1 } })
const scaleColumns = casesOf('scaleColumns', { attributes: {} })
const appendColumns = casesOf('appendColumns', { attributes: { scale: 2, width: 65, added: 16 } })
const adaptedLogProbs = casesOf('adaptedLogProbs', {
  attributes: { scale: 1, cap: 0 },
  data: { weight: normal(0.3), loraB: normal(0.1) },
})
const inverseNorms = casesOf('inverseNorms', {
  attributes: { segments: [16, 4, 2, 5, 0, 1, 12, 8, 0.5] },
  data: { squares: (r, count) => r.normal(count).map((x) => 9000 + x * x) },
})
const gatedNorm = casesOf('gatedNorm', { attributes: { eps: 1e-5, parts: 3 }, data: { gain: gains } })
const gradNorm = casesOf('gradNorm', { attributes: { maxNorm: 1 } })

const shifted =
  (by: number): ReturnType<typeof normal> =>
  (r, count) =>
    r.normal(count).map((x) => x + by)

/** What kernels do in different ways, beside the cases that follow from the op table. */
export const specialCases: { readonly [K in OpName]?: readonly Case<K>[] } = {
  embedding: [
    inBlocks(embedding('blocks', { M: 9, V: 11, H: 256 }), 'table', [['Q6_K', 11]], []),
    embedding('few tokens, odd width', { M: 7, V: 11, H: 5 }),
    embedding('every token the same', { M: 9, V: 1, H: 3 }),
    embedding('float32 table', { M: 5, V: 6, H: 33 }, { roles: { table: 'float32' } }),
    embedding('larger', { M: 131, V: 1009, H: 97 }, { large: true }),
  ],
  selectRows: [
    selectRows('some rows, activations', 'act', { M: 9, H: 5 }, [0, 3, 4, 8]),
    selectRows('one row, residual stream', 'float32', { M: 4, H: 33 }, [2]),
    selectRows('all rows', 'act', { M: 3, H: 17 }, [0, 1, 2]),
    selectRows('padding after the rows', 'float32', { M: 9, H: 37 }, [0, 5, 8, -1, -1]),
    selectRows('any order, some several times', 'float32', { M: 7, H: 19 }, [0, 1, 4, 5, 0, 1, 6, 1, 2, -1]),
    selectRows('the same, activations', 'act', { M: 5, H: 34 }, [3, 0, 1, 0, 1, 4, 0]),
  ],
  rmsNorm: [
    rmsNorm('odd width', { M: 5, W: 7 }),
    rmsNorm('one element', { M: 3, W: 1 }, { attributes: { eps: 0.1, fromOutput: 0 } }),
    rmsNorm('activations', { M: 4, W: 33 }, { roles: { gain: 'float32' } }),
    rmsNorm('gain in the compute type', { M: 4, W: 21 }, { roles: { x: 'float32' } }),
    rmsNorm('from its output', { M: 5, W: 19 }, fromOutput),
    rmsNorm('larger', { M: 131, W: 203 }, { large: true }),
    rmsNorm('larger, from its output', { M: 131, W: 576 }, { ...fromOutput, large: true }),
  ],
  qkNorm: [
    qkNorm('one group', { M: 4, headDim: 6, queryHeads: 1, keyHeads: 1 }),
    qkNorm('grouped heads', { M: 5, headDim: 12, queryHeads: 6, keyHeads: 2 }),
    qkNorm('all heads together', { M: 5, headDim: 12, queryHeads: 6, keyHeads: 2, together: true }),
    ...(['normalised', 'keys', 'normalised keys'] as const).flatMap((values) => [
      qkNorm(`values: ${values}`, { M: 5, headDim: 6, queryHeads: 3, keyHeads: 2, values }),
      qkNorm(`values: ${values}, larger`, { M: 67, headDim: 48, queryHeads: 4, keyHeads: 2, values }, true),
    ]),
    qkNorm('queries only', { M: 5, headDim: 7, queryHeads: 3, keyHeads: 0 }),
    qkNorm('larger', { M: 131, headDim: 80, queryHeads: 4, keyHeads: 1 }, true),
  ],
  rope: [
    rope('all of each head', { M: 5, headDim: 8, rotaryDim: 8, heads: 3, columns: 32 }),
    rope('part of each head', { M: 6, headDim: 12, rotaryDim: 6, heads: 2, columns: 36 }),
    rope('some heads behind others', { M: 5, headDim: 8, rotaryDim: 8, firstHead: 1, heads: 2, columns: 32 }),
    rope('rotaryDim 2', { M: 3, headDim: 5, rotaryDim: 2, heads: 4, columns: 20 }),
    rope('larger', { M: 131, headDim: 64, rotaryDim: 64, heads: 12, columns: 960 }, true),
    rope('larger, headDim 80', { M: 67, headDim: 80, rotaryDim: 20, heads: 5, columns: 480 }, true),
  ],
  attention: [
    attention('one token', { documents: [1], headDim: 4, queryHeads: 1, keyHeads: 1 }),
    attention('one document', { documents: [7], headDim: 5, queryHeads: 2, keyHeads: 2 }),
    attention('documents, grouped heads', { documents: [3, 1, 5], headDim: 4, queryHeads: 6, keyHeads: 2 }),
    attention('window', { documents: [9], headDim: 4, queryHeads: 2, keyHeads: 1, window: 3 }),
    attention('window and documents', {
      documents: [6, 4],
      headDim: 4,
      queryHeads: 2,
      keyHeads: 1,
      window: 4,
    }),
    attention('cap', { documents: [7, 3], headDim: 5, queryHeads: 2, keyHeads: 1, scale: 1, cap: 2 }),
    attention('sinks', { documents: [5, 4], headDim: 4, queryHeads: 4, keyHeads: 2, sinks: true }),
    attention('sinks, cap and window', {
      documents: [9],
      headDim: 4,
      queryHeads: 4,
      keyHeads: 2,
      sinks: true,
      cap: 3,
      window: 4,
    }),
    ...[{ cap: 2, scale: 1 }, { sinks: true }, { cap: 20, scale: 6, sinks: true, window: 40 }].map(
      (options, i) => ({
        ...attention(`300 tokens, cap and sinks, ${i}`, {
          documents: [120, 1, 33, 146],
          headDim: 64,
          queryHeads: 6,
          keyHeads: 2,
          ...options,
        }),
        large: true,
      }),
    ),
    attention('window of one', { documents: [5], headDim: 3, queryHeads: 1, keyHeads: 1, window: 1 }),
    ...[12, 16, 64, 80, 256, 512].map((headDim) => ({
      ...attention(`300 tokens, headDim ${headDim}`, {
        documents: [120, 1, 33, 146],
        headDim,
        queryHeads: 6,
        keyHeads: 2,
      }),
      large: true,
    })),
    {
      ...attention('300 tokens of one document, window', {
        documents: [300],
        headDim: 64,
        queryHeads: 3,
        keyHeads: 1,
        window: 77,
      }),
      large: true,
    },
    {
      ...attention('large scores', { documents: [80], headDim: 16, queryHeads: 2, keyHeads: 1, scale: 6 }),
      large: true,
    },
    {
      ...attention('700 tokens', { documents: [650, 50], headDim: 16, queryHeads: 2, keyHeads: 1 }),
      large: true,
    },
  ],
  cachedAttention: [
    cachedAttention('first tokens', { starts: [0], counts: [5], capacity: 8, headDim: 4 }),
    cachedAttention('one token each of three slots', {
      starts: [3, 0, 6],
      counts: [1, 1, 1],
      capacity: 8,
      headDim: 12,
    }),
    cachedAttention('prompt and continuation, window', {
      starts: [0, 5],
      counts: [6, 2],
      capacity: 9,
      headDim: 5,
      window: 4,
    }),
    cachedAttention('cap and sinks', {
      starts: [0, 5, 7],
      counts: [6, 2, 1],
      capacity: 9,
      headDim: 5,
      cap: 2,
      sinks: true,
    }),
    cachedAttention('64 channels, cap and sinks', {
      starts: [100, 0, 120],
      counts: [3, 77, 1],
      capacity: 128,
      headDim: 64,
      window: 90,
      cap: 2,
      sinks: true,
    }),
    cachedAttention('64 channels', { starts: [100, 0], counts: [3, 77], capacity: 128, headDim: 64 }),
    cachedAttention('80 channels, one token', { starts: [255], counts: [1], capacity: 256, headDim: 80 }),
    cachedAttention('512 channels', { starts: [40, 0], counts: [1, 35], capacity: 64, headDim: 512 }),
  ],
  causalConv: [
    causalConv('one token', { documents: [1], W: 5, K: 3 }),
    causalConv('documents shorter than the taps', { documents: [1, 2, 4, 1], W: 6, K: 4, silu: 1 }),
    causalConv('between gates', { documents: [5, 3], W: 7, K: 3, parts: 3, bias: true }),
    causalConv('one tap', { documents: [3, 2], W: 4, K: 1, parts: 3 }),
    { ...causalConv('larger', { documents: [70, 1, 2, 60], W: 83, K: 4, silu: 1, bias: true }), large: true },
    { ...causalConv('larger, between gates', { documents: [90, 41], W: 67, K: 3, parts: 3 }), large: true },
    { ...causalConv('many taps', { documents: [40, 9], W: 19, K: 11 }), large: true },
  ],
  cachedCausalConv: [
    cachedCausalConv('first tokens', { starts: [0], counts: [6], W: 7, K: 4, R: 3 }),
    cachedCausalConv('one token each of three slots', {
      starts: [7, 0, 1],
      counts: [1, 1, 1],
      W: 33,
      K: 3,
      R: 4,
      parts: 3,
    }),
    cachedCausalConv('prompt and continuation', { starts: [0, 5], counts: [40, 20], W: 67, K: 4, R: 5 }),
    cachedCausalConv('one tap', { starts: [0, 3], counts: [2, 1], W: 5, K: 1, R: 1 }),
  ],
  gatedDelta: [
    gatedDelta('one token', [1], { keyHeads: 1, keyDim: 4, valueHeads: 1, valueDim: 4 }),
    gatedDelta('documents', [3, 1, 4], { keyHeads: 1, keyDim: 3, valueHeads: 2, valueDim: 2 }),
    gatedDelta('a chunk and some', [70, 3], { keyHeads: 1, keyDim: 5, valueHeads: 2, valueDim: 6 }, true),
    gatedDelta('larger', [64, 1, 200, 35], { keyHeads: 3, keyDim: 16, valueHeads: 6, valueDim: 20 }, true),
    gatedDelta('wide', [150], { keyHeads: 2, keyDim: 128, valueHeads: 2, valueDim: 128 }, true),
  ],
  cachedGatedDelta: [
    cachedGatedDelta('first tokens', {
      starts: [0],
      counts: [5],
      R: 2,
      keyHeads: 1,
      keyDim: 4,
      valueHeads: 2,
      valueDim: 3,
    }),
    cachedGatedDelta('prompt, continuation and one token', {
      starts: [0, 7, 4],
      counts: [90, 13, 1],
      R: 3,
      keyHeads: 2,
      keyDim: 20,
      valueHeads: 4,
      valueDim: 37,
    }),
    cachedGatedDelta('one memory a slot', {
      starts: [0, 3],
      counts: [20, 2],
      R: 1,
      keyHeads: 1,
      keyDim: 16,
      valueHeads: 1,
      valueDim: 16,
    }),
  ],
  gatedNorm: [
    gatedNorm('one part', { M: 3, W: 6 }, { attributes: { eps: 1e-5, parts: 1 } }),
    gatedNorm('larger', { M: 67, W: 83 }, { large: true }),
  ],
  splitGates: [
    makeCase('splitGates', 'larger', {
      sizes: { M: 67 },
      attributes: { headDim: 20, heads: 4, rest: 40 },
      large: true,
    }),
    makeCase('splitGates', 'nothing behind the gates', {
      sizes: { M: 3 },
      attributes: { headDim: 3, heads: 1, rest: 0 },
    }),
  ],
  copySlots: [
    copySlots('one slot to all others', {
      copies: [
        [0, 1, 5],
        [0, 2, 3],
        [0, 3, 5],
      ],
      slots: 4,
      capacity: 7,
      width: 6,
    }),
    copySlots('two sources, a whole slot and nothing', {
      copies: [
        [1, 0, 4],
        [3, 2, 0],
      ],
      slots: 4,
      capacity: 4,
      width: 3,
    }),
    copySlots('one position', { copies: [[0, 1, 1]], slots: 2, capacity: 9, width: 33 }),
  ],
  linear: [
    ...blockNames.map((type) =>
      inBlocks(linear('few tokens', { M: 3, K: 512, N: 9, bias: true }), 'weight', [[type, 9]], ['x']),
    ),
    ...blockNames.map((type) =>
      inBlocks(
        linear('more than are streamed', {
          M: 21,
          K: 768,
          N: 51,
          residual: true,
          segments: [
            [35, 4, 2],
            [16, 3, 0.5],
          ],
        }),
        'weight',
        [
          ['Q4_K', 35],
          [type, 16],
        ],
        ['x', 'loraA', 'loraB'],
      ),
    ),
    inBlocks(
      linear('streamed with LoRA, of two types', {
        M: 1,
        K: 256,
        N: 27,
        segments: [
          [13, 5, 2],
          [14, 2, 0.5],
        ],
      }),
      'weight',
      [
        ['Q6_K', 13],
        ['Q4_K', 14],
      ],
      ['x', 'loraA', 'loraB'],
    ),
    inBlocks(
      linear('dropout, odd number of blocks', {
        M: 40,
        K: 96,
        N: 130,
        dropout: 0.3,
        segments: [[130, 4, 2]],
      }),
      'weight',
      [
        ['IQ4_NL', 65],
        ['affine4', 65],
      ],
      ['x', 'loraA', 'loraB'],
    ),
    linear('plain', { M: 5, K: 7, N: 9 }),
    linear('one row', { M: 1, K: 6, N: 3 }),
    linear('one output', { M: 4, K: 5, N: 1 }),
    linear('bias', { M: 5, K: 3, N: 6, bias: true }),
    linear('residual', { M: 4, K: 5, N: 6, residual: true }),
    linear('float32 output', { M: 4, K: 5, N: 6, float32Output: 1 }),
    linear('LoRA', { M: 5, K: 7, N: 6, segments: [[6, 2, 0.5]] }),
    linear('LoRA of different ranks, one of them 0', {
      M: 6,
      K: 5,
      N: 11,
      segments: [
        [4, 3, 2],
        [2, 0, 1],
        [5, 1, 0.25],
      ],
    }),
    linear('LoRA with dropout, bias and residual', {
      M: 7,
      K: 6,
      N: 8,
      bias: true,
      residual: true,
      dropout: 0.3,
      segments: [
        [3, 2, 1.5],
        [5, 4, 0.5],
      ],
    }),
    linear('LoRA of rank 0 everywhere', {
      M: 3,
      K: 4,
      N: 5,
      segments: [
        [2, 0, 1],
        [3, 0, 1],
      ],
    }),
    linear('float32 weight', { M: 10, K: 7, N: 5, weightRole: 'float32' }),
    linear('depth 1', { M: 12, K: 1, N: 50 }),
    linear('more rows than are streamed', { M: 17, K: 2, N: 49, segments: [[49, 3, 0.5]] }),
    linear('one output, many rows', { M: 33, K: 19, N: 1, bias: true }),
    linear('frozen weight', { M: 4, K: 6, N: 5, segments: [[5, 2, 1]] }, ['x', 'loraA', 'loraB']),
    ...(['int8', 'bfloat12'] as const).flatMap((form) => [
      linear(`${form}, odd depth`, { M: 5, K: 7, N: 9, bias: true, form }),
      linear(`${form}, more rows than are streamed`, {
        M: 21,
        K: 13,
        N: 40,
        residual: true,
        form,
        segments: [
          [17, 2, 0.5],
          [23, 0, 1],
        ],
      }),
    ]),
    linear('int8, LoRA of odd projections', {
      M: 3,
      K: 10,
      N: 12,
      form: 'int8',
      segments: [
        [5, 2, 0.5],
        [7, 3, 1],
      ],
    }),
    linear('nf4, one row', { M: 1, K: 64, N: 9, form: 'nf4' }),
    linear('nf4, blocks across rows', { M: 3, K: 40, N: 5, form: 'nf4' }),
    linear('nf4, blocks across rows, more rows than are streamed', {
      M: 18,
      K: 24,
      N: 7,
      form: 'nf4',
    }),
    linear('fp4, odd projections', {
      M: 19,
      K: 64,
      N: 40,
      form: 'fp4',
      segments: [
        [7, 1, 0.5],
        [33, 2, 1],
      ],
    }),
    { ...linear('bfloat12, 16 rows', { M: 16, K: 104, N: 70, form: 'bfloat12' }), large: true },
    { ...linear('bfloat12, 37 rows', { M: 37, K: 72, N: 165, form: 'bfloat12' }), large: true },
    { ...linear('bfloat12, 11 rows', { M: 11, K: 200, N: 33, form: 'bfloat12' }), large: true },
    ...(['int8', 'nf4', 'fp4', 'bfloat12'] as const).flatMap((form) => [
      ...[1, 2, 3, 7].map((M) => ({
        ...linear(`${form}, ${M} rows`, {
          M,
          K: 640,
          N: 101,
          bias: true,
          residual: true,
          form,
          segments: [
            [48, 16, 2],
            [53, 5, 0.5],
          ],
        }),
        large: true,
      })),
      {
        ...linear(`${form}, q, k and v, dropout`, {
          M: 131,
          K: 192,
          N: 320,
          form,
          dropout: 0.1,
          segments: [
            [192, 16, 2],
            [64, 0, 1],
            [64, 7, 0.5],
          ],
        }),
        large: true,
      },
      {
        ...linear(`${form}, q, k and v of a small model`, {
          M: 260,
          K: 576,
          N: 960,
          form,
          segments: [
            [576, 16, 2],
            [192, 16, 2],
            [192, 16, 2],
          ],
        }),
        large: true,
      },
    ]),
    ...(
      [
        { name: 'plain', M: 5, K: 64, N: 48 },
        { name: 'one row, odd depth', M: 1, K: 7, N: 9, bias: true },
        { name: 'depth of a block and a bit', M: 9, K: 129, N: 17 },
        {
          name: 'odd projections',
          M: 21,
          K: 13,
          N: 180,
          residual: true,
          segments: [
            [17, 2, 0.5],
            [163, 5, 1],
          ],
        },
        {
          name: 'q, k and v, dropout',
          M: 131,
          K: 192,
          N: 320,
          dropout: 0.1,
          segments: [
            [192, 16, 2],
            [64, 0, 1],
            [64, 7, 0.5],
          ],
        },
        {
          name: 'q, k and v of a small model',
          M: 260,
          K: 576,
          N: 960,
          segments: [
            [576, 16, 2],
            [192, 16, 2],
            [192, 16, 2],
          ],
        },
        { name: 'down of a small model', M: 37, K: 1536, N: 576, residual: true, segments: [[576, 16, 2]] },
      ] as const
    ).map(({ name, ...shape }) =>
      linear(`int8 activations, ${name}`, { ...shape, form: 'int8', int8Activations: 1 }),
    ),
    { ...linear('int8, deep', { M: 2, K: 1541, N: 33, form: 'int8' }), large: true },
    { ...linear('odd sizes', { M: 131, K: 97, N: 203, bias: true, residual: true }), large: true },
    { ...linear('three rows', { M: 3, K: 257, N: 129 }), large: true },
    {
      ...linear('odd sizes, LoRA, dropout', {
        M: 131,
        K: 97,
        N: 203,
        residual: true,
        dropout: 0.1,
        segments: [
          [100, 8, 2],
          [50, 0, 1],
          [53, 5, 0.5],
        ],
      }),
      large: true,
    },
    {
      ...linear('q, k and v of a small model, two rows', {
        M: 2,
        K: 576,
        N: 960,
        segments: [
          [576, 16, 2],
          [192, 0, 1],
          [192, 7, 0.5],
        ],
      }),
      large: true,
    },
    { ...linear('float32 weight, odd sizes', { M: 67, K: 131, N: 97, weightRole: 'float32' }), large: true },
    { ...linear('logits', { M: 9, K: 96, N: 1009, float32Output: 1 }), large: true },
    {
      ...linear('sixteen rows, LoRA of odd projections', {
        M: 16,
        K: 131,
        N: 83,
        segments: [
          [37, 3, 0.5],
          [46, 5, 1],
        ],
        bias: true,
        residual: true,
      }),
      large: true,
    },
    { ...linear('ten rows, weights 4 KB apart', { M: 10, K: 2048, N: 37 }), large: true },
    {
      ...linear('q, k and v of a small model', {
        M: 260,
        K: 576,
        N: 960,
        segments: [
          [576, 16, 2],
          [192, 16, 2],
          [192, 16, 2],
        ],
      }),
      large: true,
    },
  ],
  dropout: [
    dropout('what it takes away', { M: 5, K: 33 }),
    dropout('larger', { M: 131, K: 203 }, { large: true }),
  ],
  scaleColumns: [
    scaleColumns('no residual', { M: 5, N: 37 }, { absent: ['residual'] }),
    scaleColumns(
      'float32 products',
      { M: 5, N: 37 },
      { roles: { x: 'float32', y: 'float32' }, absent: ['bias'] },
    ),
    scaleColumns('larger', { M: 131, N: 203 }, { large: true, roles: { y: 'float32' } }),
  ],
  inverseNorms: [
    inverseNorms('a projection without LoRA', { N: 33, R: 12, largestRank: 8, K: 37 }),
    inverseNorms('larger', { N: 33, R: 12, largestRank: 8, K: 640 }, { large: true }),
  ],
  glu: [0, 1, 2].flatMap((number) => {
    const attributes = { activation: number }
    return [
      glu(`activation ${number}, odd width`, { M: 3, I: 5 }, { attributes }),
      glu(`activation ${number}, one long row`, { M: 1, I: 33 }, { attributes }),
      glu(`activation ${number}, large values`, { M: 4, I: 7 }, { attributes, data: { gateUp: normal(20) } }),
      glu(`activation ${number}, larger`, { M: 131, I: 203 }, { attributes, large: true }),
    ]
  }),
  gateColumns: [0, 1, 2].flatMap((number) => [
    gateColumns(
      `activation ${number}, first columns`,
      { M: 3, I: 5, C: 11 },
      { attributes: { activation: number, first: 0 } },
    ),
    gateColumns(
      `activation ${number}, last columns, in the compute type`,
      { M: 4, I: 33, C: 40 },
      { attributes: { activation: number, first: 7 }, roles: {} },
    ),
    gateColumns(
      `activation ${number}, larger`,
      { M: 131, I: 67, C: 203 },
      { attributes: { activation: number, first: 67 }, large: true },
    ),
  ]),
  joinColumns: [
    joinColumns('first columns', { M: 3, X: 5, C: 9 }, { attributes: { first: 0, width: 4 } }),
    joinColumns('all columns', { M: 1, X: 3, C: 7 }, { attributes: { first: 0, width: 7 } }),
    joinColumns('last columns', { M: 37, X: 40, C: 96 }, { attributes: { first: 35, width: 61 } }),
  ],
  route: [
    route('one token', { M: 1, E: 4 }),
    route('softmax over all', { M: 6, E: 8 }, overAll),
    route('every expert', { M: 3, E: 2 }),
    route('equal logits', { M: 5, E: 6 }, { data: { logits: exactly(new Float32Array(30)) }, gradients: [] }),
    route('larger', { M: 301, E: 128 }, { data: { logits: normal() }, large: true }),
    route('larger, over all', { M: 301, E: 13 }, { ...overAll, large: true }),
  ],
  expertGlu: [
    expertGlu('no limit', { R: 5, I: 7 }),
    expertGlu('GELU', { R: 3, I: 9 }, { attributes: { activation: 1, gain: 1, limit: 0 } }),
    expertGlu('larger', { R: 131, I: 203 }, { large: true }),
    expertGlu(
      'larger, with a limit',
      { R: 131, I: 203 },
      { attributes: { activation: 0, gain: 1.702, limit: 1.5 }, large: true },
    ),
  ],
  expertLinear: [
    inBlocks(
      expertLinear('experts', { rows: [3, 0, 20], K: 256, width: 10, rank: 2, bias: true, scales: true }),
      'weight',
      [
        ['Q4_K', 15],
        ['Q6_K', 15],
      ],
      ['x', 'scales', 'loraA', 'loraB'],
    ),
    expertLinear('one expert, one row', { rows: [1], K: 5, width: 3 }),
    expertLinear('one token to two of four', { rows: [0, 1, 0, 1], K: 33, width: 20, rank: 2 }),
    expertLinear('bias', { rows: [2, 0, 3], K: 6, width: 5, bias: true }),
    expertLinear('bias and scales, no LoRA', { rows: [2, 0, 3], K: 6, width: 5, bias: true, scales: true }),
    expertLinear('float32 weights', { rows: [3, 2], K: 17, width: 9, weightRole: 'float32' }),
    expertLinear('larger', {
      rows: [40, 0, 3, 90, 17],
      K: 130,
      width: 100,
      rank: 5,
      bias: true,
      scales: true,
      large: true,
    }),
    expertLinear('larger, few rows each', {
      rows: [1, 2, 0, 5, 16, 9],
      K: 150,
      width: 97,
      rank: 3,
      large: true,
    }),
    ...(['int8', 'nf4', 'fp4'] as const).map((form) =>
      expertLinear(`larger, ${form}`, {
        rows: [30, 0, 1, 70, 2],
        K: 128,
        width: 100,
        rank: 4,
        form,
        large: true,
      }),
    ),
  ],
  activation: [0, 1, 2].flatMap((number) => {
    const attributes = { activation: number }
    return [
      activation(`activation ${number}, odd width`, { M: 3, I: 5 }, { attributes }),
      activation(
        `activation ${number}, large values`,
        { M: 4, I: 37 },
        { attributes, data: { x: normal(20) } },
      ),
    ]
  }),
  layerNorm: [
    layerNorm('two elements', { M: 3, W: 2 }, { attributes: { eps: 0.1 } }),
    layerNorm('float32 gain and bias', { M: 4, W: 33 }, { roles: { gain: 'float32', bias: 'float32' } }),
    layerNorm('residual stream', { M: 4, W: 21 }, { roles: { x: 'float32' } }),
    layerNorm(
      'far from zero',
      { M: 5, W: 40 },
      { roles: { x: 'float32' }, data: { x: shifted(30), gain: gains } },
    ),
    layerNorm('larger', { M: 131, W: 203 }, { large: true }),
  ],
  targetLogProbs: [
    inBlocks(targetLogProbs('head', { m: 9, H: 256, V: 401 }), 'weight', [['Q6_K', 401]], []),
    targetLogProbs('few rows', { m: 3, H: 5, V: 7 }),
    targetLogProbs('more rows than a block', { m: 19, H: 4, V: 6 }),
    targetLogProbs('one row', { m: 1, H: 9, V: 2 }),
    targetLogProbs('every row the same weight', { m: 21, H: 9, V: 12, uniform: true }),
    targetLogProbs('padding after the rows', { m: 11, H: 8, V: 9, padding: 4 }),
    targetLogProbs('nothing but padding', { m: 3, H: 8, V: 9, padding: 3 }),
    targetLogProbs('float32 weight', { m: 5, H: 7, V: 51, weightRole: 'float32' }),
    targetLogProbs('scaled', { m: 5, H: 7, V: 51, bounds: { scale: 0.25, cap: 0 } }),
    targetLogProbs('capped', { m: 19, H: 7, V: 51, bounds: { scale: 1, cap: 1.5 } }),
    {
      ...targetLogProbs('larger, capped', { m: 131, H: 97, V: 1009, bounds: { scale: 2, cap: 3 } }),
      large: true,
    },
    {
      ...targetLogProbs('confident, capped', {
        m: 37,
        H: 64,
        V: 1536,
        scale: 8,
        bounds: { scale: 1, cap: 30 },
      }),
      large: true,
    },
    targetLogProbs('evaluation', { m: 5, H: 6, V: 8, evaluation: true }),
    { ...targetLogProbs('larger evaluation', { m: 67, H: 64, V: 1009, evaluation: true }), large: true },
    { ...targetLogProbs('vocabulary of 1,009', { m: 131, H: 97, V: 1009 }), large: true },
    { ...targetLogProbs('confident', { m: 37, H: 64, V: 1536, scale: 8 }), large: true },
  ],
  appendColumns: [appendColumns('one row', { M: 1 }), appendColumns('larger', { M: 131 }, { large: true })],
  adaptedLogProbs: [
    inBlocks(adaptedLogProbs('head', { m: 9, H: 256, V: 70, R: 5 }), 'weight', [['Q8_0', 70]], ['loraB']),
    adaptedLogProbs('float32 weight', { m: 5, H: 7, V: 51, R: 2 }, { roles: { weight: 'float32' } }),
    adaptedLogProbs(
      'nothing but padding',
      { m: 3, H: 8, V: 9, R: 2 },
      { data: { targets: (_, count) => new Int32Array(count).fill(-1) } },
    ),
    adaptedLogProbs('capped', { m: 19, H: 7, V: 51, R: 3 }, { attributes: { scale: 1, cap: 1.5 } }),
    adaptedLogProbs(
      'evaluation',
      { m: 5, H: 6, V: 8, R: 1 },
      { absent: ['weights', 'dHidden'] as const, gradients: [] },
    ),
    adaptedLogProbs(
      'larger',
      { m: 131, H: 97, V: 1009, R: 16 },
      { large: true, data: { weight: normal(97 ** -0.5), loraB: normal(0.1) } },
    ),
  ],
  argmax: [
    argmax('random', { M: 5, V: 1003 }),
    argmax('one column', { M: 3, V: 1 }),
    argmax('equal values', { M: 4, V: 67, levels: 3 }),
    argmax('all negative', { M: 2, V: 19, shift: -100 }),
  ],
  fill: [
    makeCase('fill', 'float32', { sizes: {}, attributes: { value: -1.5 }, roles: { y: 'float32' } }),
    makeCase('fill', 'zeros', { sizes: {}, attributes: { value: 0 } }),
  ],
  gradNorm: [
    gradNorm('clipped', { n: 1001 }),
    gradNorm('below the maximum', { n: 13 }, { attributes: { maxNorm: 100 } }),
    gradNorm('no maximum', { n: 70_003 }, { attributes: { maxNorm: 0 } }),
  ],
  adamw: [
    adamw('first step', { count: 17, step: 1, decay: 0 }),
    adamw('later, decay and clipping', { count: 10_007, step: 100, decay: 0.1, clip: 0.25 }),
  ],
  adafactor: [
    adafactor('a vector', { R: 1, S: 1031, C: 1031 }),
    adafactor('threads', { R: 301, S: 131, C: 130 }),
  ],
  muon: [
    muon('tall', { R: 133, S: 17 }, 16),
    muon('wide', { R: 67, S: 203 }, 203),
    muon('one row', { R: 1, S: 9 }, 9),
  ],
}
