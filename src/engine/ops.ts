import {
  act,
  anyShape,
  auxiliary,
  float32,
  int32,
  op,
  optional,
  parameter,
  stream,
  table,
  weight,
} from './op-entry.ts'
import type { AttributeValues, OpInfo } from './op-entry.ts'
import type { DType, Tensor } from './tensor.ts'

/**
 * The op table: everything that an engine can compute, and the only place where it is said. All activations are flat: M
 * tokens, one row each, documents end to end and no padding. Each entry has the formula of its op above it. Its order is the
 * numbering of opcodes. The engines' kernels, native/ops.h (`npm run generate`) and the tests follow from it;
 * docs/adding-an-op.md shows how.
 */
export const ops = {
  /** y[m] = scale · table[ids[m]]; y is the residual stream. */
  embedding: op({
    inputs: { ids: int32('M', { below: 'V' }), table: table('V', 'H') },
    outputs: { y: float32('M', 'H') },
    attributes: { scale: 'number' },
    gradients: ['table'],
    saved: () => ['ids'],
  }),

  /** y[i] = x[rows[i]]; rows in any order, each any number of times, −1 from some row on: padding, y = 0. */
  selectRows: op({
    inputs: { x: stream('M', 'H'), rows: int32('m', { from: -1, below: 'M' }) },
    outputs: { y: stream('m', 'H') },
    attributes: {},
    gradients: ['x'],
    saved: () => ['rows'],
  }),

  /**
   * y = x · rstd · gain, rstd = 1 / sqrt(mean(x²) + eps).
   * `fromOutput` = 1: the vjp reads y instead of x (x / rms = y / gain), so that x need not be kept; only for gains without
   * zeros that are not trained.
   */
  rmsNorm: op({
    inputs: { x: stream('M', 'W'), gain: parameter('W') },
    outputs: { y: act('M', 'W'), rstd: auxiliary(float32('M')) },
    attributes: { eps: 'number', fromOutput: 'flag' },
    gradients: ['x', 'gain'],
    saved: (_, { fromOutput }) => [fromOutput === 1 ? 'y' : 'x', 'gain', 'rstd'],
  }),

  /** y = (x − mean) · rstd · gain + bias, rstd = 1 / sqrt(variance + eps). */
  layerNorm: op({
    inputs: { x: stream('M', 'W'), gain: parameter('W'), bias: parameter('W') },
    outputs: { y: act('M', 'W'), mean: auxiliary(float32('M')), rstd: auxiliary(float32('M')) },
    attributes: { eps: 'number' },
    gradients: ['x', 'gain', 'bias'],
    saved: () => ['x', 'gain', 'mean', 'rstd'],
  }),

  /** y = x, in the compute type. */
  cast: op({
    inputs: { x: stream('M', 'W') },
    outputs: { y: act('M', 'W') },
    attributes: {},
    gradients: ['x'],
  }),

  /** y = residual + scale · x */
  addScaled: op({
    inputs: { x: stream('M', 'W'), residual: float32('M', 'W') },
    outputs: { y: float32('M', 'W') },
    attributes: { scale: 'number' },
    gradients: ['x'],
    inPlace: ['residual', 'y'],
    passesGradient: ['residual', 'y'],
  }),

  /** y = factor[0] · x */
  scaleBy: op({
    inputs: { x: stream('M', 'W'), factor: float32('1') },
    outputs: { y: stream('M', 'W') },
    attributes: {},
    gradients: ['x'],
    saved: () => ['factor'],
    inPlace: ['x', 'y'],
    inPlaceGradient: ['y', 'x'],
  }),

  /**
   * y = x + magnitude[0] · u, u uniform in (−1, 1): element i of x gets the same u from the same seed[0], see dropout.ts. The
   * gradient passes unchanged.
   */
  addNoise: op({
    inputs: { x: float32('M', 'H'), magnitude: float32('1'), seed: int32('1') },
    outputs: { y: float32('M', 'H') },
    attributes: {},
    gradients: [],
    inPlace: ['x', 'y'],
    passesGradient: ['x', 'y'],
  }),

  /**
   * y = k · x with k = keep / (1 − p): dropout with inverted scaling, p in [0, 1), of the mask that `linear` draws for its first
   * segment from (dropoutSeed[0] + seed, element). `rest` = 1: what it takes away, y = (1 − k) · x.
   */
  dropout: op({
    inputs: { x: act('M', 'K'), dropoutSeed: int32('1') },
    outputs: { y: act('M', 'K') },
    attributes: { dropout: 'number', seed: 'count', rest: 'flag' },
    gradients: ['x'],
    saved: () => ['dropoutSeed'],
  }),

  /**
   * rmsNorm of the queries of qkv (qGain) and of its keys (kGain), in parts that are normalised each for itself: one a head, or
   * all heads together. The values, the last columns, are copied, or where `valueParts` is not 0 normalised too, without a gain.
   * `givenWidth` is what qkv has of the values: valueWidth, or 0, and then they are the first of the keys as they were projected.
   * Without kGain the keys have none.
   */
  qkNorm: op({
    inputs: {
      qkv: act('M', 'queryParts * queryWidth + keyParts * keyWidth + givenWidth'),
      qGain: parameter('queryWidth'),
      kGain: optional(parameter('keyWidth')),
    },
    outputs: {
      y: act('M', 'queryParts * queryWidth + keyParts * keyWidth + valueWidth'),
      rstd: auxiliary(float32('M', 'queryParts + keyParts + valueParts')),
    },
    attributes: {
      eps: 'number',
      queryParts: 'count',
      queryWidth: 'count',
      keyParts: 'count',
      keyWidth: 'count',
      valueWidth: 'count',
      valueParts: 'count',
      givenWidth: 'count',
    },
    gradients: ['qkv', 'qGain', 'kGain'],
    saved: () => ['qkv', 'qGain', 'kGain', 'rstd'],
  }),

  /** y = x beside the columns [first, first + width) of `from`. */
  joinColumns: op({
    inputs: { x: act('M', 'X'), from: act('M', 'C') },
    outputs: { y: act('M', 'X + width') },
    attributes: { first: 'count', width: 'count' },
    gradients: ['x', 'from'],
  }),

  /**
   * Rotates `heads` heads of qkv from `firstHead` on: for i < rotaryDim / 2, with c = cos[position, i]:
   * y[i] = x[i]·c − x[i + rotaryDim/2]·s,  y[i + rotaryDim/2] = x[i + rotaryDim/2]·c + x[i]·s;
   * all other columns are copied.
   */
  rope: op({
    inputs: {
      qkv: act('M', 'C'),
      positions: int32('M', { below: 'P' }),
      cos: float32('P', 'rotaryDim / 2'),
      sin: float32('P', 'rotaryDim / 2'),
    },
    outputs: { y: act('M', 'C') },
    attributes: { headDim: 'count', rotaryDim: 'count', firstHead: 'count', heads: 'count' },
    gradients: ['qkv'],
    saved: () => ['positions', 'cos', 'sin'],
    inPlace: ['qkv', 'y'],
    inPlaceGradient: ['y', 'qkv'],
  }),

  /**
   * Causal, grouped heads: token i sees tokens j with max(starts[i], i − window + 1) ≤ j ≤ i (window 0: no window);
   * o = softmax(s) v, s = cap · tanh(scale · q kᵀ / cap), or scale · q kᵀ where cap is 0. starts[i] is the first token of i's
   * document. A head's sink is one more score of the softmax, whose value is zero. lse is the natural logarithm of the softmax
   * denominators, maximum and sink included.
   */
  attention: op({
    inputs: {
      qkv: act('M', qkvColumns()),
      starts: int32('M', { below: 'M' }),
      sinks: optional(float32('queryHeads')),
    },
    outputs: { o: act('M', 'queryHeads * headDim'), lse: auxiliary(float32('M', 'queryHeads')) },
    attributes: attentionAttributes(),
    gradients: ['qkv', 'sinks'],
    saved: () => ['qkv', 'starts', 'sinks', 'o', 'lse'],
  }),

  /**
   * Writes each token's k and v to keyCache/valueCache[slots[m], positions[m]] and attends to the positions ≤ its own of its
   * slot (within the window); all writes happen before all reads. No gradient.
   */
  cachedAttention: op({
    inputs: {
      qkv: act('M', qkvColumns()),
      slots: int32('M', { below: 'S' }),
      positions: int32('M', { below: 'C' }),
      keyCache: act('S', 'C', 'keyHeads * headDim'),
      valueCache: act('S', 'C', 'keyHeads * headDim'),
      sinks: optional(float32('queryHeads')),
    },
    outputs: { o: act('M', 'queryHeads * headDim') },
    attributes: attentionAttributes(),
    gradients: [],
    changes: ['keyCache', 'valueCache'],
  }),

  /**
   * Depthwise convolution over the tokens of each document: y = f(z), z[m] = bias + Σ_k weight[K − 1 − k] · x[m − k] over k < K
   * with m − k ≥ starts[m], f(z) = silu(z) where `silu` is 1, else z. With `parts` 3 x is b, c and v beside each other: the
   * convolution is of b · v, and y = c · f(z).
   */
  causalConv: op({
    inputs: {
      weight: parameter('K', 'W'),
      x: act('M', 'parts * W'),
      starts: int32('M', { below: 'M' }),
      bias: optional(float32('W')),
    },
    outputs: { y: act('M', 'W') },
    attributes: { parts: 'count', silu: 'flag' },
    gradients: ['x', 'weight', 'bias'],
    saved: () => ['weight', 'x', 'starts', 'bias'],
  }),

  /**
   * The same over tokens of slots, one after the other: what is convolved of token m is kept as
   * state[slots[m], positions[m] mod R], R ≥ K − 1, and what is read are the K − 1 positions before, of which those below 0 are
   * zero. So a slot may be fed again from any of its last R − K + 2 positions on. No gradient.
   */
  cachedCausalConv: op({
    inputs: {
      weight: parameter('K', 'W'),
      x: act('M', 'parts * W'),
      slots: int32('M', { below: 'S' }),
      positions: int32('M'),
      bias: optional(float32('W')),
      state: act('S', 'R', 'W'),
    },
    outputs: { y: act('M', 'W') },
    attributes: { parts: 'count', silu: 'flag' },
    gradients: [],
    changes: ['state'],
  }),

  /**
   * The gated delta rule, for each value head a memory S [keyDim, valueDim] that is zero before the first token of a document:
   * S_t = d S_(t−1) + k u^T,  u = β (v − d S_(t−1)^T k),  o = S_t^T q,  β = σ(b),  d = exp(−exp(aLog) · softplus(a + dtBias)).
   * qkv holds q and k of the key heads, then v; q and k are divided by sqrt(Σ x² + 1e-6), q by sqrt(keyDim), too, and each serves
   * valueHeads / keyHeads value heads. ba holds b, then a.
   */
  gatedDelta: op({
    inputs: {
      qkv: act('M', deltaColumns()),
      ba: act('M', '2 * valueHeads'),
      aLog: float32('valueHeads'),
      dtBias: float32('valueHeads'),
      starts: int32('M', { below: 'M' }),
    },
    outputs: { o: act('M', 'valueHeads * valueDim') },
    attributes: deltaAttributes(),
    gradients: ['qkv', 'ba', 'aLog', 'dtBias'],
    saved: () => ['qkv', 'ba', 'aLog', 'dtBias', 'starts'],
  }),

  /**
   * The same over tokens of slots, one after the other: token m reads state[slots[m], positions[m] mod R], or zeros at position
   * 0, and writes state[slots[m], (positions[m] + 1) mod R]. So a slot may be fed again from any of its last R − 1 positions
   * on. No gradient.
   */
  cachedGatedDelta: op({
    inputs: {
      qkv: act('M', deltaColumns()),
      ba: act('M', '2 * valueHeads'),
      aLog: float32('valueHeads'),
      dtBias: float32('valueHeads'),
      slots: int32('M', { below: 'S' }),
      positions: int32('M'),
      state: float32('S', 'R', 'valueHeads * keyDim * valueDim'),
    },
    outputs: { o: act('M', 'valueHeads * valueDim') },
    attributes: deltaAttributes(),
    gradients: [],
    changes: ['state'],
  }),

  /** y = rmsNorm(x) · silu(gate), the norm of each of the parts of a row for itself, with one gain. */
  gatedNorm: op({
    inputs: { gain: parameter('W'), x: act('M', 'parts * W'), gate: act('M', 'parts * W') },
    outputs: { y: act('M', 'parts * W'), rstd: auxiliary(float32('M', 'parts')) },
    attributes: { eps: 'number', parts: 'count' },
    gradients: ['gain', 'x', 'gate'],
    saved: () => ['gain', 'x', 'gate', 'rstd'],
  }),

  /** Takes apart what stands in each row head by head, a query beside its gate: y are the queries and the `rest` columns behind. */
  splitGates: op({
    inputs: { x: act('M', '2 * heads * headDim + rest') },
    outputs: { y: act('M', 'heads * headDim + rest'), gate: act('M', 'heads * headDim') },
    attributes: { headDim: 'count', heads: 'count', rest: 'count' },
    gradients: ['x'],
  }),

  /** y = x · σ(gate) */
  sigmoidGate: op({
    inputs: { x: act('M', 'W'), gate: act('M', 'W') },
    outputs: { y: act('M', 'W') },
    attributes: {},
    gradients: ['x', 'gate'],
    saved: () => ['x', 'gate'],
  }),

  /** cache[slots[i], p] = cache[sources[i], p] for p < counts[i]. No slot is both a source and overwritten. No gradient. */
  copySlots: op({
    inputs: {
      sources: int32('n', { below: 'S' }),
      slots: int32('n', { below: 'S' }),
      counts: int32('n', { below: 'C + 1' }),
      cache: stream('S', 'C', 'W'),
    },
    outputs: {},
    attributes: {},
    gradients: [],
    changes: ['cache'],
  }),

  /**
   * y = x Wᵀ + bias + residual + Σ LoRA; weight is the stack of `segments` (q, k and v, or gate and up: projections that read
   * the same x), each { rows, rank, scaling }, one after the other. loraA stacks the segments' A, R = Σ rank; row n of loraB is
   * B's row for output n, of which the first `rank` of its segment count. t = drop(x) Aᵀ;
   * y[:, n] += scaling · t_segment · loraB[n].
   * y is float32 with a residual or when `float32Output` is 1, else act. dropout p in [0, 1) with inverted scaling; each segment
   * draws its own mask from (dropoutSeed[0] + seed, segment, element), see dropout.ts: dropoutSeed is of the pass, the attribute
   * of the place in the model.
   * `int8Activations` = 1, with a weight held as int8 whose parts are the segments: in x Wᵀ and in dx = dy W the other factor is
   * rounded to 8 bits, too, each row in blocks of 128 (for dx: within a segment), dy after it was multiplied by W's row scales;
   * rounding counts as the identity in the gradient.
   */
  linear: op({
    inputs: {
      x: act('M', 'K'),
      weight: weight('N', 'K'),
      bias: optional(float32('N')),
      residual: optional(float32('M', 'N')),
      loraA: optional(float32('R', 'K')),
      loraB: optional(float32('N', 'largestRank')),
      dropoutSeed: optional(int32('1')),
    },
    outputs: { y: stream('M', 'N'), t: optional(auxiliary(act('M', 'R'))) },
    attributes: {
      float32Output: 'flag',
      dropout: 'number',
      seed: 'count',
      int8Activations: 'flag',
      segments: 'list',
    },
    gradients: ['x', 'weight', 'bias', 'loraA', 'loraB'],
    saved: (wanted) => [
      'loraA',
      'loraB',
      'dropoutSeed',
      't',
      ...(wanted.has('x') ? (['weight'] as const) : []),
      ...(wanted.has('weight') || wanted.has('loraA') ? (['x'] as const) : []),
    ],
    inPlace: ['residual', 'y'],
    passesGradient: ['residual', 'y'],
  }),

  /**
   * y = residual + bias + x · magnitude · inverseNorms, column by column. y is float32 with a residual, else as x is. Gradients of
   * the norms are not made (DoRA).
   */
  scaleColumns: op({
    inputs: {
      x: stream('M', 'N'),
      magnitude: float32('N'),
      inverseNorms: float32('N'),
      bias: optional(float32('N')),
      residual: optional(float32('M', 'N')),
    },
    outputs: { y: stream('M', 'N') },
    attributes: {},
    gradients: ['x', 'magnitude', 'bias'],
    saved: (wanted) => [
      'inverseNorms',
      ...(wanted.has('x') ? (['magnitude'] as const) : []),
      ...(wanted.has('magnitude') ? (['x'] as const) : []),
    ],
    inPlace: ['residual', 'y'],
    passesGradient: ['residual', 'y'],
  }),

  /**
   * y[n] = 1 / ‖W_n + scaling · B_n A‖ of the rows of a weight with LoRA; segments, loraA and loraB as of `linear`. squares are
   * ‖W_n‖², products A Wᵀ: ‖W_n + s B_n A‖² = ‖W_n‖² + 2 s B_n · (A W_n) + s² B_n (A Aᵀ) B_nᵀ. y = 1 where a segment's rank is 0. No
   * gradient.
   */
  inverseNorms: op({
    inputs: {
      squares: float32('N'),
      products: float32('R', 'N'),
      loraA: float32('R', 'K'),
      loraB: float32('N', 'largestRank'),
    },
    outputs: { y: float32('N') },
    attributes: { segments: 'list' },
    gradients: [],
  }),

  /** y = f(gate) · up, gateUp is gate beside up; `activation` is f's place in `activations`. */
  glu: op({
    inputs: { gateUp: act('M', '2 * I') },
    outputs: { y: act('M', 'I') },
    attributes: { activation: 'count' },
    gradients: ['gateUp'],
    saved: () => ['gateUp'],
    remade: 'y',
    overwritesInput: 'gateUp',
  }),

  /** y = f(gate) · up[first … first + I), columns of `up`; `activation` is f's place in `activations`. */
  gateColumns: op({
    inputs: { gate: act('M', 'I'), up: stream('M', 'C') },
    outputs: { y: act('M', 'I') },
    attributes: { activation: 'count', first: 'count' },
    gradients: ['gate', 'up'],
    saved: () => ['gate', 'up'],
  }),

  /** y = f(x); `activation` is f's place in `activations`. */
  activation: op({
    inputs: { x: act('M', 'I') },
    outputs: { y: act('M', 'I') },
    attributes: { activation: 'count' },
    gradients: ['x'],
    saved: () => ['x'],
    remade: 'y',
    overwritesInput: 'x',
  }),

  /**
   * Which experts a token goes to: those of its topK largest logits, the first of equals. Its weights are the softmax of its logits,
   * over the chosen ones (`normalised` = 1) or over all. R = topK · M rows go to experts, sorted by expert, those of one by token:
   * tokens[r] is row r's token, rows[topK · m + j] are token m's rows, ascending, and ends[e] is where those of expert e end.
   */
  route: op({
    inputs: { logits: float32('M', 'E') },
    outputs: {
      weights: float32('topK * M'),
      tokens: int32('topK * M'),
      rows: int32('topK * M'),
      ends: int32('E'),
    },
    attributes: { topK: 'count', normalised: 'flag' },
    gradients: ['logits'],
    saved: () => ['logits', 'weights', 'rows', 'ends'],
  }),

  /** y[r] = weights[r] · scales[e], e the expert that row r goes to; see route. */
  scaleExperts: op({
    inputs: { weights: float32('R'), ends: int32('E', { below: 'R + 1' }), scales: float32('E') },
    outputs: { y: float32('R') },
    attributes: {},
    gradients: ['weights', 'scales'],
    saved: (wanted) => [
      'ends',
      ...(wanted.has('weights') ? (['scales'] as const) : []),
      ...(wanted.has('scales') ? (['weights'] as const) : []),
    ],
  }),

  /** y[r] = x[tokens[r]]: a row for each expert that a token goes to; see route. */
  dispatch: op({
    inputs: {
      x: act('M', 'H'),
      tokens: int32('R', { below: 'M' }),
      rows: int32('R', { below: 'R' }),
    },
    outputs: { y: act('R', 'H') },
    attributes: {},
    gradients: ['x'],
    saved: () => ['rows'],
  }),

  /**
   * The products of E experts, whose weights are stacked: of the rows r < ends[0] with the first, of those behind them with the
   * next… y[r] = x[r] W_eᵀ + scales[r] · bias_e + scaling · t[r] B_eᵀ, t[r] = x[r] A_eᵀ; scales are ones where they are absent.
   * Of an expert without rows nothing is read.
   */
  expertLinear: op({
    inputs: {
      x: act('R', 'K'),
      ends: int32('E', { below: 'R + 1' }),
      weight: weight('E * width', 'K'),
      bias: optional(float32('E * width')),
      scales: optional(float32('R')),
      loraA: optional(float32('E * rank', 'K')),
      loraB: optional(float32('E * width', 'rank')),
    },
    outputs: { y: act('R', 'width'), t: optional(auxiliary(act('R', 'rank'))) },
    attributes: { width: 'count', rank: 'count', scaling: 'number' },
    gradients: ['x', 'weight', 'bias', 'scales', 'loraA', 'loraB'],
    saved: (wanted) => [
      'ends',
      'loraA',
      'loraB',
      't',
      ...(wanted.has('x') ? (['weight'] as const) : []),
      ...(wanted.has('weight') || wanted.has('loraA') ? (['x'] as const) : []),
      ...(wanted.has('bias') ? (['scales'] as const) : []),
      ...(wanted.has('scales') ? (['bias'] as const) : []),
    ],
  }),

  /**
   * y[r] = weights[r] · f(gate) · up, f(g) = activation(gain · g) / gain. With a limit above 0:
   * y[r] = weights[r] · f(min(gate, limit)) · (clamp(up, −limit, limit) + 1).
   */
  expertGlu: op({
    inputs: { gateUp: act('R', '2 * I'), weights: float32('R') },
    outputs: { y: act('R', 'I') },
    attributes: { activation: 'count', gain: 'number', limit: 'number' },
    gradients: ['gateUp', 'weights'],
    saved: () => ['gateUp', 'weights'],
    remade: 'y',
    overwritesInput: 'gateUp',
  }),

  /** y[m] = residual[m] + Σ_j x[rows[k · m + j]], k = R / M: what the experts of a token give; see route. */
  combine: op({
    inputs: {
      x: act('R', 'H'),
      residual: float32('M', 'H'),
      tokens: int32('R', { below: 'M' }),
      rows: int32('R', { below: 'R' }),
    },
    outputs: { y: float32('M', 'H') },
    attributes: {},
    gradients: ['x'],
    saved: () => ['tokens'],
    inPlace: ['residual', 'y'],
    passesGradient: ['residual', 'y'],
  }),

  /** y[m] = σ(x[m, 0]): the weight of what every token goes to. */
  sigmoid: op({
    inputs: { x: float32('M', '1') },
    outputs: { y: float32('M') },
    attributes: {},
    gradients: ['x'],
    saved: () => ['y'],
  }),

  /** y = usage + [rows of each expert; Σ_m softmax(logits[m])]: how much of a pass each expert gets, and what the router would give. */
  countExperts: op({
    inputs: { logits: float32('M', 'E'), ends: int32('E'), usage: optional(float32('2', 'E')) },
    outputs: { y: float32('2', 'E') },
    attributes: {},
    gradients: ['logits'],
    saved: () => ['logits'],
    passesGradient: ['usage', 'y'],
  }),

  /**
   * loss = coefficient · E · Σ_e n_e P_e / rows², with usage = [n; P] as countExperts sums it and rows = Σ n / topK: least where all
   * experts have as many rows. dUsage = [0; ∂loss/∂P], made on the way where it is asked for.
   */
  balanceLoss: op({
    inputs: { usage: float32('2', 'E') },
    outputs: { loss: float32('1'), dUsage: optional(auxiliary(float32('2', 'E'))) },
    attributes: { topK: 'count', coefficient: 'number' },
    gradients: [],
    gradientMadeForward: ['usage', 'dUsage'],
  }),

  /** y = cap · tanh(scale · x / cap), or scale · x where cap is 0: logits that are bounded. No gradient. */
  capLogits: op({
    inputs: { x: float32('M', 'V') },
    outputs: { y: float32('M', 'V') },
    attributes: { scale: 'number', cap: 'number' },
    gradients: [],
    inPlace: ['x', 'y'],
  }),

  /**
   * The output head fused with the log-softmax, without ever holding the logits: for each row
   * s_v = cap · tanh(scale · h · W_v / cap), or scale · h · W_v where cap is 0; lse = log Σ exp(s_v), logProbs = s_target − lse.
   * Targets are −1 from some row on: padding, whose logProbs, lse and
   * gradients are 0 and cost nothing, so that one program serves any number of rows.
   * `weights` are −∂loss/∂logProbs, ones where they are absent: dHidden[m] = weights[m] · (softmax − onehot) · s' W, made on the
   * way where it is asked for; s' = scale · (1 − (s / cap)²). The vjp makes dWeight only.
   * `description` tells of the distribution p = softmax(s) of each row: its entropy −Σ p log p, the mean of s over the vocabulary,
   * s_target − the largest other s (the target is the likeliest from 0 on), and log Σ p².
   */
  targetLogProbs: op({
    inputs: {
      hidden: act('m', 'H'),
      weight: table('V', 'H'),
      targets: int32('m', { from: -1, below: 'V' }),
      weights: optional(float32('m')),
    },
    outputs: {
      logProbs: float32('m'),
      lse: auxiliary(float32('m')),
      dHidden: optional(auxiliary(act('m', 'H'))),
      description: optional(auxiliary(float32('m', '4'))),
    },
    attributes: { scale: 'number', cap: 'number' },
    gradients: ['weight'],
    saved: () => ['hidden', 'weight', 'targets', 'weights', 'lse'],
    gradientMadeForward: ['hidden', 'dHidden', 'weights'],
  }),

  /** y = x, and behind its columns scale · t. */
  appendColumns: op({
    inputs: { x: act('M', 'width'), t: act('M', 'added') },
    outputs: { y: act('M', 'width + added') },
    attributes: { scale: 'number', width: 'count', added: 'count' },
    gradients: ['x', 't'],
  }),

  /**
   * targetLogProbs with a head W whose columns loraB continues, as `appendColumns` does the hidden states': LoRA on the head. The vjp
   * makes the gradient of loraB only.
   */
  adaptedLogProbs: op({
    inputs: {
      targets: int32('m', { from: -1, below: 'V' }),
      weight: table('V', 'H'),
      loraB: float32('V', 'R'),
      hidden: act('m', 'H + R'),
      weights: optional(float32('m')),
    },
    outputs: {
      logProbs: float32('m'),
      lse: auxiliary(float32('m')),
      dHidden: optional(auxiliary(act('m', 'H + R'))),
      description: optional(auxiliary(float32('m', '4'))),
    },
    attributes: { scale: 'number', cap: 'number' },
    gradients: ['loraB'],
    saved: () => ['targets', 'weight', 'loraB', 'hidden', 'weights', 'lse'],
    gradientMadeForward: ['hidden', 'dHidden', 'weights'],
  }),

  /**
   * A score of each row: scores[m] = hidden[m] · W. `weights` are −∂loss/∂scores, ones where they are absent:
   * dHidden[m] = −weights[m] W is made on the way where it is asked for. The vjp makes dWeight = −Σ weights[m] hidden[m].
   */
  scoreRows: op({
    inputs: { hidden: act('m', 'H'), weight: parameter('1', 'H'), weights: optional(float32('m')) },
    outputs: { scores: float32('m'), dHidden: optional(auxiliary(act('m', 'H'))) },
    attributes: {},
    gradients: ['weight'],
    saved: () => ['hidden', 'weights'],
    gradientMadeForward: ['hidden', 'dHidden', 'weights'],
  }),

  /** y[m] = weights[m] · x[m]. No gradient. */
  scaleRows: op({
    inputs: { x: stream('M', 'W'), weights: float32('M') },
    outputs: { y: stream('M', 'W') },
    attributes: {},
    gradients: [],
    inPlace: ['x', 'y'],
  }),

  /** Index of the largest of each row, the first of equals; −1 where one is NaN or the largest is infinite. No gradient. */
  argmax: op({
    inputs: { x: float32('M', 'V') },
    outputs: { y: int32('M') },
    attributes: {},
    gradients: [],
  }),

  /** y = value. No gradient. */
  fill: op({
    inputs: {},
    outputs: { y: anyShape },
    attributes: { value: 'number' },
    gradients: [],
  }),

  /** stats = [norm, clip]: norm = sqrt(Σ g²), clip = min(1, maxNorm / (norm + 1e-6)), 1 where maxNorm is 0. No gradient. */
  gradNorm: op({
    inputs: { gradients: float32('n') },
    outputs: { stats: float32('2') },
    attributes: { maxNorm: 'number' },
    gradients: [],
  }),

  /**
   * In place, g = clip·gradient:  m = β1 m + (1−β1) g,  v = β2 v + (1−β2) g²,
   * p = p (1 − lr·decay) − lr · (m / c1) / (sqrt(v / c2) + eps), as PyTorch's AdamW.
   * hyper = [lr, β1, β2, eps, decay, c1, c2] with c = 1 − β^step; stats are gradNorm's. No gradient.
   */
  adamw: op({
    inputs: {
      parameters: float32('n'),
      gradients: float32('n'),
      m: float32('n'),
      v: float32('n'),
      stats: optional(float32('2')),
      hyper: float32('7'),
    },
    outputs: {},
    attributes: {},
    gradients: [],
    changes: ['parameters', 'm', 'v'],
  }),

  /**
   * In place, g = clip·gradient + decay·p:  v = μ v + gain·g,  p = p − lr·v, or p − lr·(g + μ v) by Nesterov; without v, p − lr·g.
   * As PyTorch's SGD: gain is 1 − dampening, and 1 in the first step. hyper = [lr, μ, gain, decay, nesterov]. No gradient.
   */
  sgd: op({
    inputs: {
      parameters: float32('n'),
      gradients: float32('n'),
      velocity: optional(float32('n')),
      stats: optional(float32('2')),
      hyper: float32('5'),
    },
    outputs: {},
    attributes: {},
    gradients: [],
    changes: ['parameters', 'velocity'],
  }),

  /**
   * In place, g = clip·gradient:  p = p (1 − lr·decay) − lr·sign(β1 m + (1−β1) g),  m = β2 m + (1−β2) g, as bitsandbytes' Lion.
   * hyper = [lr, β1, β2, decay]. No gradient.
   */
  lion: op({
    inputs: {
      parameters: float32('n'),
      gradients: float32('n'),
      m: float32('n'),
      stats: optional(float32('2')),
      hyper: float32('4'),
    },
    outputs: {},
    attributes: {},
    gradients: [],
    changes: ['parameters', 'm'],
  }),

  /**
   * adamw with m and v in 8 bits, as bitsandbytes holds them: a number is map[code] · scale, code a byte, four in an integer, lowest
   * first; 256 numbers share a scale, the largest magnitude of them. Maps are ascending. hyper as adamw's. No gradient.
   */
  adamw8bit: op({
    inputs: {
      parameters: float32('n'),
      gradients: float32('n'),
      mCodes: int32('64 * B'),
      mScales: float32('B'),
      vCodes: int32('64 * B'),
      vScales: float32('B'),
      mMap: float32('256'),
      vMap: float32('256'),
      stats: optional(float32('2')),
      hyper: float32('7'),
    },
    outputs: {},
    attributes: {},
    gradients: [],
    changes: ['parameters', 'mCodes', 'mScales', 'vCodes', 'vScales'],
  }),

  /** lion with m in 8 bits, held as adamw8bit's. hyper as lion's. No gradient. */
  lion8bit: op({
    inputs: {
      parameters: float32('n'),
      gradients: float32('n'),
      mCodes: int32('64 * B'),
      mScales: float32('B'),
      mMap: float32('256'),
      stats: optional(float32('2')),
      hyper: float32('4'),
    },
    outputs: {},
    attributes: {},
    gradients: [],
    changes: ['parameters', 'mCodes', 'mScales'],
  }),

  /**
   * In place on the first C columns, g = clip·gradient, s = g² + eps:  r = β r + (1−β) mean of each row of s,  c = β c + (1−β) mean of
   * each column,  u = g / sqrt(r/mean(r) · c),  p = p (1 − lr·decay) − lr · u / max(1, rms(u) / d), as transformers' Adafactor.
   * hyper = [lr, β, eps, d, decay]. No gradient.
   */
  adafactor: op({
    inputs: {
      parameters: float32('R', 'S'),
      gradients: float32('R', 'S'),
      rowSquares: float32('R'),
      columnSquares: float32('C'),
      stats: optional(float32('2')),
      hyper: float32('5'),
    },
    outputs: {},
    attributes: {},
    gradients: [],
    changes: ['parameters', 'rowSquares', 'columnSquares'],
  }),

  /**
   * In place on the first columns, g = clip·gradient:  m = m + (1−μ)(g − m),  u = g + μ (m − g) by Nesterov, else m;  o = u with all
   * its singular values near one, by five steps x = 3.4445 x + (−4.775 a + 2.0315 a²) x, a = x xᵀ, of which each product is rounded to
   * bfloat16;  p = p (1 − lr·decay) − lr·ratio·o, as PyTorch's Muon. hyper = [lr, ratio, μ, decay, nesterov]. No gradient.
   */
  muon: op({
    inputs: {
      parameters: float32('R', 'S'),
      gradients: float32('R', 'S'),
      m: float32('R', 'S'),
      stats: optional(float32('2')),
      hyper: float32('5'),
    },
    outputs: {},
    attributes: { columns: 'count' },
    gradients: [],
    changes: ['parameters', 'm'],
  }),
}

/** Activation functions, in the order of their numbers: g · σ(g), GELU by its tanh approximation, and GELU. */
export const activations = ['silu', 'geluTanh', 'gelu'] as const
export type Activation = (typeof activations)[number]

/** Queries, then keys, then values. */
function qkvColumns() {
  return 'queryHeads * headDim + 2 * keyHeads * headDim'
}

/** Queries and keys of the key heads, then values. */
function deltaColumns() {
  return '2 * keyHeads * keyDim + valueHeads * valueDim'
}

function deltaAttributes() {
  return { keyHeads: 'count', keyDim: 'count', valueHeads: 'count', valueDim: 'count' } as const
}

function attentionAttributes() {
  return {
    headDim: 'count',
    queryHeads: 'count',
    keyHeads: 'count',
    scale: 'number',
    cap: 'number',
    window: 'count',
  } as const
}

export type OpName = keyof typeof ops

type Signatures = {
  [K in OpName]: {
    inputs: keyof (typeof ops)[K]['inputs'] & string
    outputs: keyof (typeof ops)[K]['outputs'] & string
    arguments: (typeof ops)[K]['inputs'] & (typeof ops)[K]['outputs']
    attributes: AttributeValues<(typeof ops)[K]['attributes']>
    gradients: (typeof ops)[K]['gradients'][number]
  }
}
export type InputName<K extends OpName> = Signatures[K]['inputs']
export type OutputName<K extends OpName> = Signatures[K]['outputs']
export type Attributes<K extends OpName> = Signatures[K]['attributes']
export type GradientName<K extends OpName> = Signatures[K]['gradients']
/** Inputs and outputs of an op as the table describes them, by name. */
export type ArgumentsOf<K extends OpName> = Signatures[K]['arguments']

/** Opcodes: position in the table. */
export const opNames = Object.keys(ops) as OpName[]

/** An entry without the types of its names. */
export function infoOf(name: OpName): OpInfo {
  return ops[name] as OpInfo
}

/** Whether the vjp is given a gradient of this output: integers have none. */
export function hasGradient({ outputs, gradientMadeForward }: OpInfo, output: string): boolean {
  const { auxiliary, type } = outputs[output]
  return auxiliary !== true && type !== 'int32' && gradientMadeForward === undefined
}

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
