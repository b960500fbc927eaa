import { createTape, type Tensor } from '../../engine/index.ts'
import type { TrainableParameters, TrainedMatrix } from '../../model/index.ts'
import { adamWHyper, adamWOf, type AdamWOptions } from './adamw.ts'
import { dynamicMap } from '../../engine/index.ts'
import { lionOf, type LionOptions } from './lion.ts'
import type { Optimiser } from './optimiser.ts'
import { rateAt, stretchesBetween, type Stretch, type UpdateRate } from './update-rates.ts'

/** Numbers that share a scale, and the integers that hold their codes. */
const blockSize = 256
const blockIntegers = blockSize / 4

/** Smaller tensors keep their states in 32 bits, as bitsandbytes has them. */
const smallest = 4096

/**
 * AdamW with states in 8 bits, as bitsandbytes holds them: 2.03 bytes a parameter. Tensors of less than 4,096 numbers and embeddings
 * keep them in 32 bits, as transformers' Trainer has it.
 * Source: Dettmers et al. 2021, https://arxiv.org/abs/2110.02861
 */
export function createAdamW8bit(trainable: TrainableParameters, options: AdamWOptions = {}): Optimiser {
  const { engine } = trainable
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options
  const { inEightBits, rest } = divided(trainable)
  const m = createCodes(trainable, inEightBits, true)
  const v = createCodes(trainable, inEightBits, false)
  const tape = createTape()
  const updates = inEightBits.map((stretch, i) => {
    const hyper = engine.tensor('float32', [7])
    const [mean, square] = [m.of(i), v.of(i)]
    tape.apply(
      'adamw8bit',
      {
        ...numbersOf(trainable, stretch),
        mCodes: mean.codes,
        mScales: mean.scales,
        vCodes: square.codes,
        vScales: square.scales,
        mMap: m.map,
        vMap: v.map,
        hyper,
      },
      {},
      {},
    )
    return { hyper, ...rateAt(trainable, options, stretch.start) }
  })
  const others = adamWOf(trainable, options, rest)
  return {
    states: {
      ...(updates.length > 0 && {
        m_codes: m.codes,
        m_scales: m.scales,
        v_codes: v.codes,
        v_scales: v.scales,
      }),
      ...(rest.length > 0 && others.states),
    },
    commands: [...tape.commands(), ...others.commands],
    begin(step) {
      for (const { hyper, factor, decay } of updates)
        engine.write(hyper, adamWHyper(step, factor, decay, beta1, beta2, epsilon))
      others.begin(step)
    },
  }
}

/** Lion with its state in 8 bits, held in the same way: 1.02 bytes a parameter. */
export function createLion8bit(trainable: TrainableParameters, options: LionOptions = {}): Optimiser {
  const { engine } = trainable
  const { beta1 = 0.9, beta2 = 0.99 } = options
  const { inEightBits, rest } = divided(trainable)
  const m = createCodes(trainable, inEightBits, true)
  const tape = createTape()
  const updates = inEightBits.map((stretch, i) => {
    const hyper = engine.tensor('float32', [4])
    const { codes: mCodes, scales: mScales } = m.of(i)
    tape.apply('lion8bit', { ...numbersOf(trainable, stretch), mCodes, mScales, mMap: m.map, hyper }, {}, {})
    return { hyper, ...rateAt(trainable, options, stretch.start) }
  })
  const others = lionOf(trainable, options, rest)
  return {
    states: {
      ...(updates.length > 0 && { m_codes: m.codes, m_scales: m.scales }),
      ...(rest.length > 0 && others.states),
    },
    commands: [...tape.commands(), ...others.commands],
    begin(step) {
      for (const { hyper, factor, decay } of updates as (UpdateRate & { hyper: Tensor })[])
        engine.write(hyper, Float32Array.of(factor * step.learningRate, beta1, beta2, decay))
      others.begin(step)
    },
  }
}

/** What has states in 8 bits, tensor by tensor, and the stretches between. */
function divided({ matrices, size }: TrainableParameters): { inEightBits: Stretch[]; rest: Stretch[] } {
  const inEightBits = wholeTensors(matrices).filter(({ length }) => length >= smallest)
  return { inEightBits, rest: stretchesBetween(inEightBits, size) }
}

/** The tensors whose numbers follow each other; what a file stacks is one, as it is one of PyTorch's parameters. */
function wholeTensors(matrices: readonly TrainedMatrix[]): Stretch[] {
  const all: (Stretch & { name: string })[] = []
  for (const { name, start, rows, columns, stride, kind } of matrices) {
    if (kind === 'embedding' || stride !== columns) continue
    const last = all.at(-1)
    if (last?.name === name && last.start + last.length === start) last.length += rows * columns
    else all.push({ name, start, length: rows * columns })
  }
  return all
}

function numbersOf(
  { engine, parameters, gradients, stats }: TrainableParameters,
  { start, length }: Stretch,
) {
  const part = (flat: Tensor) => engine.view(flat, start, [length])
  return { parameters: part(parameters), gradients: part(gradients), stats }
}

/** The codes of a state, each stretch from a new block on. They begin with a scale of 0: all numbers are zero. */
function createCodes({ engine }: TrainableParameters, stretches: readonly Stretch[], signed: boolean) {
  const blocks = stretches.map(({ length }) => Math.ceil(length / blockSize))
  const firsts = blocks.map((_, i) => blocks.slice(0, i).reduce((sum, count) => sum + count, 0))
  const total = blocks.reduce((sum, count) => sum + count, 0)
  const codes = engine.tensor('int32', [total * blockIntegers])
  const scales = engine.tensor('float32', [total])
  return {
    codes,
    scales,
    map: engine.tensor('float32', [256], dynamicMap(signed)),
    of: (i: number) => ({
      codes: engine.view(codes, firsts[i] * blockIntegers, [blocks[i] * blockIntegers]),
      scales: engine.view(scales, firsts[i], [blocks[i]]),
    }),
  }
}
