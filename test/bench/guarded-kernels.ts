import { forward, vjp } from '../../src/cli/bench/workshop.ts'
import type { Workshop } from '../../src/cli/bench/workshop.ts'
import type { DType, Engine, Quantization } from '../../src/engine/index.ts'
import type { Command } from '../../src/engine/ops.ts'

/** A kernel at a size whose data stay in the second-level cache, so that nothing but the processor's core counts. */
export interface GuardedKernel {
  name: string
  /** The peak that it is held against: of bfloat16 products where the instruction set has them, or of float32 products. */
  peak: 'bfloat16' | 'float32'
  /** What it reached of that peak by instruction set (Zen 5, g++ 12); none where nobody has measured. */
  reached: { readonly [isa: string]: number }
  /** The part of that which it must reach: products run the same way on every processor, the rest less so. */
  atLeast: number
  /** Operations of one call; of element-wise kernels their elements count as some. */
  operations: number
  prepare(workshop: Workshop, engine: Engine): Command
}

const shares = (avx512bf16: number, avx512: number, avx2: number, portable: number) => ({
  avx512bf16,
  avx512,
  avx2,
  portable,
})
const isProduct = 0.8
const isMixture = 0.6

const tokens = 192
const width = 384
const rank = 16
const plain = { float32Output: 0, dropout: 0, seed: 0, int8Activations: 0, segments: [width, 0, 0] } as const
const adapted = {
  float32Output: 0,
  dropout: 0,
  seed: 0,
  int8Activations: 0,
  segments: [width, rank, 2],
} as const
const product = 2 * tokens * width * width

const heads = { headDim: 64, queryHeads: 3, keyHeads: 1, scale: 0.125, cap: 0, window: 0 }
/** One product of attention over the visible pairs of one document. */
const attentionProduct = tokens * (tokens + 1) * heads.headDim * heads.queryHeads
const vocabulary = 384

export const guardedKernels: readonly GuardedKernel[] = [
  ...(['bfloat16', 'float32'] as const).map((dtype): GuardedKernel => ({
    name: `product, ${dtype}`,
    peak: dtype,
    reached: dtype === 'bfloat16' ? shares(0.9, 0.87, 0.87, 0.83) : shares(0.9, 0.9, 0.91, 0.85),
    atLeast: isProduct,
    operations: product,
    prepare: (workshop) => {
      const { x, y, weight } = matrices(workshop, dtype)
      return forward('linear', { x, weight }, plain, { y })
    },
  })),
  {
    name: 'product.vjp',
    peak: 'bfloat16',
    reached: shares(0.93, 0.92, 0.93, 0.83),
    atLeast: isProduct,
    operations: product,
    prepare: (workshop) => {
      const { x, y, weight } = matrices(workshop, 'bfloat16')
      return vjp('linear', { weight }, plain, {}, { y }, { x })
    },
  },
  {
    name: 'linear, LoRA',
    peak: 'bfloat16',
    reached: shares(0.88, 0.87, 0.87, 0.83),
    atLeast: isProduct,
    operations: product + 4 * tokens * width * rank,
    prepare: (workshop) => {
      const { x, y, weight } = matrices(workshop, 'bfloat16')
      return forward('linear', { x, weight, ...adapter(workshop) }, adapted, {
        y,
        t: workshop.tensor([tokens, rank]),
      })
    },
  },
  {
    name: 'linear.vjp, LoRA',
    peak: 'bfloat16',
    reached: shares(0.89, 0.88, 0.89, 0.81),
    atLeast: isProduct,
    operations: product + 8 * tokens * width * rank,
    prepare: (workshop) => {
      const { x, y, weight } = matrices(workshop, 'bfloat16')
      const { loraA, loraB } = adapter(workshop)
      const gradients = { x: workshop.tensor([tokens, width]), ...adapter(workshop) }
      const t = workshop.tensor([tokens, rank])
      return vjp('linear', { x, weight, loraA, loraB }, adapted, { t }, { y }, gradients)
    },
  },
  {
    name: 'targetLogProbs',
    peak: 'bfloat16',
    reached: shares(0.8, 0.84, 0.85, 0.78),
    atLeast: isProduct,
    operations: 4 * tokens * vocabulary * width,
    prepare: (workshop) =>
      forward(
        'targetLogProbs',
        {
          hidden: workshop.tensor([tokens, width]),
          targets: workshop.tensor([tokens], 'int32'),
          weights: workshop.given([tokens], 'float32', new Float32Array(tokens).fill(1)),
          weight: workshop.tensor([vocabulary, width]),
        },
        { scale: 1, cap: 0 },
        {
          logProbs: workshop.tensor([tokens], 'float32'),
          lse: workshop.tensor([tokens], 'float32'),
          dHidden: workshop.tensor([tokens, width]),
        },
      ),
  },
  {
    name: 'attention',
    peak: 'bfloat16',
    reached: shares(0.61, 0.7, 0.72, 0.55),
    atLeast: isMixture,
    operations: 2 * attentionProduct,
    prepare: (workshop) => {
      const { inputs, outputs } = attentionTensors(workshop)
      return forward('attention', inputs, heads, outputs)
    },
  },
  {
    name: 'attention.vjp',
    peak: 'bfloat16',
    reached: shares(0.44, 0.57, 0.61, 0.5),
    atLeast: isMixture,
    operations: 4 * attentionProduct,
    prepare: (workshop) => {
      const { inputs, outputs } = attentionTensors(workshop)
      const given = { o: workshop.tensor(outputs.o.shape) }
      return vjp('attention', inputs, heads, outputs, given, { qkv: workshop.tensor(inputs.qkv.shape) })
    },
  },
  {
    name: 'glu',
    peak: 'float32',
    reached: shares(0.045, 0.022, 0.017, 0.015),
    atLeast: isMixture,
    operations: 2 * tokens * 256,
    prepare: (workshop) =>
      forward(
        'glu',
        { gateUp: workshop.tensor([tokens, 512]) },
        { activation: 0 },
        { y: workshop.tensor([tokens, 256]) },
      ),
  },
  {
    name: 'rmsNorm',
    peak: 'float32',
    reached: shares(0.139, 0.105, 0.135, 0.169),
    atLeast: isMixture,
    operations: 4 * tokens * width,
    prepare: (workshop) =>
      forward(
        'rmsNorm',
        { x: workshop.tensor([tokens, width], 'float32'), gain: workshop.tensor([width], 'float32') },
        { eps: 1e-5, fromOutput: 0 },
        { y: workshop.tensor([tokens, width]), rstd: workshop.tensor([tokens], 'float32') },
      ),
  },
  // Where processors differ so much the least that one reached counts. AVX512_BF16: 0.41 on Zen 5, 0.25 on Sapphire Rapids.
  decoding(1, null, shares(0.25, 0.3, 0.36, 0.44)),
  decoding(4, null, shares(0.42, 0.36, 0.61, 0.68)),
  // Without BF16 instructions 0.61 on Zen 5, 0.36 on Sapphire Rapids.
  decoding(1, 'int8', shares(0.64, 0.36, 0.65, 0.31)),
  // AVX512_BF16: 0.7 on Zen 5, 0.26 on Sapphire Rapids. AVX2's codes wait for permutations, which Zen 5 makes twice as fast as Zen 3: 0.27 there, 0.13 here, of peaks that are alike.
  decoding(1, 'nf4', shares(0.26, 0.41, 0.2, 0.11)),
]

function decoding(
  streams: number,
  quantization: Quantization | null,
  reached: GuardedKernel['reached'],
): GuardedKernel {
  return {
    name: `decode, ${quantization ?? 'bfloat16'}, ${streams} ${streams === 1 ? 'stream' : 'streams'}`,
    // Several tokens meet plain weights in bf16 dot products, where there are any; one token, and codes, do not.
    peak: streams > 1 && quantization === null ? 'bfloat16' : 'float32',
    reached,
    atLeast: isMixture,
    operations: 2 * streams * width * width,
    prepare: (workshop, engine) => {
      const matrix = workshop.tensor([width, width])
      const weight = quantization ? engine.quantized(matrix, quantization) : matrix
      const x = workshop.tensor([streams, width])
      return forward('linear', { x, weight }, plain, { y: workshop.tensor([streams, width]) })
    },
  }
}

function matrices(workshop: Workshop, dtype: DType) {
  return {
    x: workshop.tensor([tokens, width], dtype),
    y: workshop.tensor([tokens, width], dtype),
    weight: workshop.tensor([width, width], dtype),
  }
}

function adapter(workshop: Workshop) {
  return {
    loraA: workshop.tensor([rank, width], 'float32'),
    loraB: workshop.tensor([width, rank], 'float32'),
  }
}

function attentionTensors(workshop: Workshop) {
  const { headDim, queryHeads, keyHeads } = heads
  return {
    inputs: {
      qkv: workshop.tensor([tokens, (queryHeads + 2 * keyHeads) * headDim]),
      starts: workshop.given([tokens], 'int32', new Int32Array(tokens)),
    },
    outputs: {
      o: workshop.tensor([tokens, queryHeads * headDim]),
      lse: workshop.tensor([tokens, queryHeads], 'float32'),
    },
  }
}
