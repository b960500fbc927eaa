import type { DType, Tensor } from './tensor.ts'

/**
 * The op table: everything that an engine can compute. All activations are flat: M tokens, one row each, documents
 * end to end and no padding. `act` stands for the compute type of the run (float32 or bfloat16). Inputs marked `?`
 * may be null.
 *
 * - `embedding`       y[m] = table[ids[m]]; ids [M], table [V, H] → y [M, H] float32 (the residual stream)
 * - `selectRows`      y[i] = x[rows[i]]; rows [m] ascending, −1 from some row on: padding, y = 0 → y [m, H]
 * - `rmsNorm`         y = x · rstd · gain, rstd = 1 / sqrt(mean(x²) + eps); x [M, W] → y act [M, W], rstd [M]
 *                     `fromOutput` = 1: the vjp reads y instead of x (x / rms = y / gain), so that x need not be kept;
 *                     only for gains without zeros that are not trained
 * - `qkNorm`          rmsNorm of each query head (qGain) and key head (kGain) of qkv, values copied;
 *                     rstd [M, queryHeads + keyHeads]
 * - `rope`            rotates the first `heads` heads of qkv: for i < rotaryDim / 2, with c = cos[position, i]:
 *                     y[i] = x[i]·c − x[i + rotaryDim/2]·s,  y[i + rotaryDim/2] = x[i + rotaryDim/2]·c + x[i]·s;
 *                     all other columns are copied. May run in place.
 * - `attention`       causal, grouped heads: token i sees tokens j with max(starts[i], i − window + 1) ≤ j ≤ i
 *                     (window 0: no window); o = softmax(scale · q kᵀ) v. starts [M] is the first token of i's document.
 *                     qkv act [M, (queryHeads + 2·keyHeads)·headDim] → o act [M, queryHeads·headDim], lse [M, queryHeads]
 *                     (natural logarithm of the softmax denominators, maximum included)
 * - `cachedAttention` writes each token's k and v to keyCache/valueCache[slots[m], positions[m]] and attends to the
 *                     positions ≤ its own of its slot (within the window). Caches act [S, C, keyHeads·headDim].
 *                     `capacity` positions of cache at most; all writes happen before all reads. No gradient.
 * - `copySlots`       cache[slots[i], p] = cache[sources[i], p] for p < counts[i], both caches; all of [n]. No slot is both
 *                     a source and overwritten. No gradient.
 * - `linear`          y = x Wᵀ + bias + residual + Σ LoRA; weight [N, K] is the stack of `segments` (q, k and v, or
 *                     gate and up: projections that read the same x), each { rows, rank, scaling }. loraA [ΣR, K] stacks
 *                     the segments' A; row n of loraB [N, maxRank] is B's row for output n, of which the first `rank` of its segment
 *                     count. t = drop(x) Aᵀ [M, ΣR] is kept for the vjp; y[:, n] += scaling · t_segment · loraB[n].
 *                     Output is float32 with a residual or when `float32Output` is 1, else act. dropout p in [0, 1) with inverted
 *                     scaling; each segment draws its own mask from (dropoutSeed[0] + seed, segment, element), see dropout.ts:
 *                     dropoutSeed int32 [1] is of the pass, the attribute of the place in the model.
 *                     `int8Activations` = 1, with a weight held as int8 whose parts are the segments: in x Wᵀ and in dx = dy W the
 *                     other factor is rounded to 8 bits, too, each row in blocks of 128 (for dx: within a segment), dy after it
 *                     was multiplied by W's row scales; rounding counts as the identity in the gradient
 * - `swiglu`          y = silu(gate) · up; gateUp act [M, 2·I] = gate beside up → y act [M, I]
 * - `targetLogProbs`  the output head fused with the log-softmax, without ever holding the logits: for each row
 *                     lse = log Σ exp(h · W_v), logProbs = h · W_target − lse. Targets are −1 from some row on: padding, whose
 *                     logProbs, lse and gradients are 0 and cost nothing, so that one program serves any number of rows.
 *                     weights [m] float32 are −∂loss/∂logProbs. With the output dHidden present:
 *                     dHidden[m] = weights[m] · (softmax − onehot) W, made on the way. The vjp makes dWeight only.
 * - `scaleRows`       y[m] = weights[m] · x[m]; x [M, W], weights [M] float32 → y like x. May run in place. No gradient.
 * - `argmax`          index of the largest of each row, the first of equals; x [M, V] float32 → y int32 [M]
 * - `fill`            y = value
 * - `gradNorm`        stats = [norm, clip]: norm = sqrt(Σ g²), clip = min(1, maxNorm / (norm + 1e-6)), 1 where maxNorm is 0
 * - `adamw`           in place, g = clip·gradient:  m = β1 m + (1−β1) g,  v = β2 v + (1−β2) g²,
 *                     p = p (1 − lr·decay) − lr · (m / c1) / (sqrt(v / c2) + eps)
 *                     hyper = [lr, β1, β2, eps, decay, c1, c2] with c = 1 − β^step (PyTorch's AdamW)
 */
export interface OpSignatures {
  embedding: { inputs: 'ids' | 'table'; outputs: 'y'; attributes: Record<never, never> }
  selectRows: { inputs: 'x' | 'rows'; outputs: 'y'; attributes: Record<never, never> }
  rmsNorm: { inputs: 'x' | 'gain'; outputs: 'y' | 'rstd'; attributes: { eps: number; fromOutput: 0 | 1 } }
  qkNorm: {
    inputs: 'qkv' | 'qGain' | 'kGain'
    outputs: 'y' | 'rstd'
    attributes: { eps: number; headDim: number; queryHeads: number; keyHeads: number }
  }
  rope: {
    inputs: 'qkv' | 'positions' | 'cos' | 'sin'
    outputs: 'y'
    attributes: { headDim: number; rotaryDim: number; heads: number }
  }
  attention: {
    inputs: 'qkv' | 'starts'
    outputs: 'o' | 'lse'
    attributes: { headDim: number; queryHeads: number; keyHeads: number; scale: number; window: number }
  }
  cachedAttention: {
    inputs: 'qkv' | 'slots' | 'positions' | 'keyCache' | 'valueCache'
    outputs: 'o'
    attributes: { headDim: number; queryHeads: number; keyHeads: number; scale: number; window: number }
  }
  copySlots: {
    inputs: 'sources' | 'slots' | 'counts' | 'keyCache' | 'valueCache'
    outputs: never
    attributes: Record<never, never>
  }
  linear: {
    inputs: 'x' | 'weight' | 'bias' | 'residual' | 'loraA' | 'loraB' | 'dropoutSeed'
    outputs: 'y' | 't'
    attributes: {
      float32Output: 0 | 1
      dropout: number
      seed: number
      int8Activations: 0 | 1
      /** rows, rank and scaling of each segment, one after the other. */
      segments: readonly number[]
    }
  }
  swiglu: { inputs: 'gateUp'; outputs: 'y'; attributes: Record<never, never> }
  targetLogProbs: {
    inputs: 'hidden' | 'weight' | 'targets' | 'weights'
    outputs: 'logProbs' | 'lse' | 'dHidden'
    attributes: Record<never, never>
  }
  scaleRows: { inputs: 'x' | 'weights'; outputs: 'y'; attributes: Record<never, never> }
  argmax: { inputs: 'x'; outputs: 'y'; attributes: Record<never, never> }
  fill: { inputs: never; outputs: 'y'; attributes: { value: number } }
  gradNorm: { inputs: 'gradients'; outputs: 'stats'; attributes: { maxNorm: number } }
  adamw: {
    inputs: 'parameters' | 'gradients' | 'm' | 'v' | 'stats' | 'hyper'
    outputs: never
    attributes: Record<never, never>
  }
}

export type OpName = keyof OpSignatures
export type InputName<K extends OpName> = OpSignatures[K]['inputs']
export type OutputName<K extends OpName> = OpSignatures[K]['outputs']
export type Attributes<K extends OpName> = OpSignatures[K]['attributes']

/** What the tape and the planner must know of an op; what it computes stands in the engines. */
export interface OpInfo<K extends OpName> {
  /** In the order in which commands list them. */
  inputs: readonly InputName<K>[]
  outputs: readonly OutputName<K>[]
  attributes: readonly (keyof Attributes<K>)[]
  /** Inputs that get a gradient, if asked for; none: the op cannot be differentiated. */
  gradients: readonly InputName<K>[]
  /** Forward inputs and outputs that the vjp reads, given which gradients are wanted; all others may be dropped. */
  saved: (wanted: ReadonlySet<string>, attributes: Attributes<K>) => readonly (InputName<K> | OutputName<K>)[]
  /**
   * This output is cheaper to make again in the backward pass than to keep, from inputs that the vjp keeps anyway. Where the
   * vjp runs it makes the output on its way, in place of the output's gradient.
   */
  remade?: OutputName<K>
  /** [input, output] of the forward pass that may share one buffer when the input is not needed afterwards. */
  inPlace?: readonly [InputName<K>, OutputName<K>]
  /** The gradient of this output may be overwritten with that of this input by the vjp. */
  inPlaceGradient?: readonly [OutputName<K>, InputName<K>]
  /** The vjp may write this input's gradient over the input, if nothing reads that afterwards. */
  overwritesInput?: InputName<K>
  /** The gradient of this input is that of this output, unchanged: no computation. */
  passesGradient?: readonly [InputName<K>, OutputName<K>]
  /** The gradient of this input is this output, made on the way forward: row m times element m of the second input. */
  gradientMadeForward?: readonly [InputName<K>, OutputName<K>, InputName<K>]
}

const nothing = () => []

/** The total table; its order is the numbering of opcodes, which native/ops.h repeats. */
export const ops: { readonly [K in OpName]: OpInfo<K> } = {
  embedding: {
    inputs: ['ids', 'table'],
    outputs: ['y'],
    attributes: [],
    gradients: ['table'],
    saved: () => ['ids'],
  },
  selectRows: {
    inputs: ['x', 'rows'],
    outputs: ['y'],
    attributes: [],
    gradients: ['x'],
    saved: () => ['rows'],
  },
  rmsNorm: {
    inputs: ['x', 'gain'],
    outputs: ['y', 'rstd'],
    attributes: ['eps', 'fromOutput'],
    gradients: ['x', 'gain'],
    saved: (_, { fromOutput }) => [fromOutput === 1 ? 'y' : 'x', 'gain', 'rstd'],
  },
  qkNorm: {
    inputs: ['qkv', 'qGain', 'kGain'],
    outputs: ['y', 'rstd'],
    attributes: ['eps', 'headDim', 'queryHeads', 'keyHeads'],
    gradients: ['qkv', 'qGain', 'kGain'],
    saved: () => ['qkv', 'qGain', 'kGain', 'rstd'],
  },
  rope: {
    inputs: ['qkv', 'positions', 'cos', 'sin'],
    outputs: ['y'],
    attributes: ['headDim', 'rotaryDim', 'heads'],
    gradients: ['qkv'],
    saved: () => ['positions', 'cos', 'sin'],
    inPlace: ['qkv', 'y'],
    inPlaceGradient: ['y', 'qkv'],
  },
  attention: {
    inputs: ['qkv', 'starts'],
    outputs: ['o', 'lse'],
    attributes: ['headDim', 'queryHeads', 'keyHeads', 'scale', 'window'],
    gradients: ['qkv'],
    saved: () => ['qkv', 'starts', 'o', 'lse'],
  },
  cachedAttention: {
    inputs: ['qkv', 'slots', 'positions', 'keyCache', 'valueCache'],
    outputs: ['o'],
    attributes: ['headDim', 'queryHeads', 'keyHeads', 'scale', 'window'],
    gradients: [],
    saved: nothing,
  },
  copySlots: {
    inputs: ['sources', 'slots', 'counts', 'keyCache', 'valueCache'],
    outputs: [],
    attributes: [],
    gradients: [],
    saved: nothing,
  },
  linear: {
    inputs: ['x', 'weight', 'bias', 'residual', 'loraA', 'loraB', 'dropoutSeed'],
    outputs: ['y', 't'],
    attributes: ['float32Output', 'dropout', 'seed', 'int8Activations', 'segments'],
    gradients: ['x', 'weight', 'bias', 'loraA', 'loraB'],
    saved: (wanted) => {
      const saved: (InputName<'linear'> | OutputName<'linear'>)[] = ['loraA', 'loraB', 'dropoutSeed', 't']
      if (wanted.has('x')) saved.push('weight')
      if (wanted.has('weight') || wanted.has('loraA')) saved.push('x')
      return saved
    },
    inPlace: ['residual', 'y'],
    passesGradient: ['residual', 'y'],
  },
  swiglu: {
    inputs: ['gateUp'],
    outputs: ['y'],
    attributes: [],
    gradients: ['gateUp'],
    saved: () => ['gateUp'],
    remade: 'y',
    overwritesInput: 'gateUp',
  },
  targetLogProbs: {
    inputs: ['hidden', 'weight', 'targets', 'weights'],
    outputs: ['logProbs', 'lse', 'dHidden'],
    attributes: [],
    gradients: ['weight'],
    gradientMadeForward: ['hidden', 'dHidden', 'weights'],
    saved: () => ['hidden', 'weight', 'targets', 'weights', 'lse'],
  },
  scaleRows: {
    inputs: ['x', 'weights'],
    outputs: ['y'],
    attributes: [],
    gradients: [],
    saved: nothing,
    inPlace: ['x', 'y'],
  },
  argmax: { inputs: ['x'], outputs: ['y'], attributes: [], gradients: [], saved: nothing },
  fill: { inputs: [], outputs: ['y'], attributes: ['value'], gradients: [], saved: nothing },
  gradNorm: {
    inputs: ['gradients'],
    outputs: ['stats'],
    attributes: ['maxNorm'],
    gradients: [],
    saved: nothing,
  },
  adamw: {
    inputs: ['parameters', 'gradients', 'm', 'v', 'stats', 'hyper'],
    outputs: [],
    attributes: [],
    gradients: [],
    saved: nothing,
  },
}

/** Opcodes: position in the table. */
export const opNames = Object.keys(ops) as OpName[]

/**
 * One step of a program. `inputs` and `outputs` follow the table's order, null where absent. A vjp command has
 * as inputs the forward inputs, the forward outputs and the gradients of the forward outputs, in that order
 * (null where the vjp does not read them), and as outputs the gradients of the forward inputs listed in `gradients`,
 * and behind them the output listed as `remade` where it is asked for.
 */
export interface Command {
  op: OpName
  direction: 'forward' | 'vjp'
  inputs: readonly (Tensor | null)[]
  outputs: readonly (Tensor | null)[]
  /** In the table's order, lists flattened with their length before them. */
  attributes: readonly number[]
  /** vjp only, per output: add to what is there instead of overwriting. */
  accumulate?: readonly boolean[]
}

/** dtype and shape of an output, for the tape to make. */
export interface OutputShape {
  dtype: DType
  shape: readonly number[]
}
