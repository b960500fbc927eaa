import { backward, createTape } from '../../engine/tape.ts'
import type { Tape } from '../../engine/tape.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { bytesPerElement } from '../../engine/tensor.ts'
import { headOf } from '../blocks/architecture.ts'
import { decode, headLogits } from '../blocks/decode.ts'
import type { PassOptions, Recomputation } from '../blocks/forward-pass.ts'
import { keepEverything } from '../blocks/forward-pass.ts'
import { selectRows } from '../blocks/select-rows.ts'
import type { ModelState } from '../state/model-state.ts'
import { passTensors } from '../state/pass-tensors.ts'
import { ensurePositions } from '../state/rotations.ts'
import type { FlatTokens } from './flatten.ts'
import { createProgramCache } from './program-cache.ts'
import { recomputationWithin } from './recompute.ts'
import { addTokenRowGradients } from '../adapters/token-rows.ts'

/** Flat tokens of one pass; targets −100 are not learned. */
export type PassTokens = Pick<FlatTokens, 'ids' | 'positions' | 'starts' | 'targets'>

/** Losses of the learned tokens, and where they stand among the pass's tokens. */
export interface TokenLosses {
  /** Negative log likelihood in nats. */
  losses: Float32Array
  rows: Int32Array
}

/** Forward and backward passes over flat tokens. */
export interface Passes {
  /** Logits [n, vocabulary] of all tokens. */
  logits(tokens: PassTokens): Promise<Float32Array>
  /** Losses of the learned tokens; with `gradientScale` it also adds gradientScale · ∂(Σ losses) to the gradients. */
  losses(tokens: PassTokens, options?: LossOptions): Promise<TokenLosses>
  /** Losses of the learned tokens, and what they would be if `probe` were the target of each: −log P(probe). */
  probe(tokens: PassTokens, probe: number): Promise<TokenLosses & { probeLosses: Float32Array }>
}

export interface LossOptions {
  gradientScale?: number
  dropoutSeed?: number
  /** Computes every layer again in the backward pass, instead of keeping its activations. */
  recompute?: boolean
  /** What the activations may take; beyond it the cheapest of them are computed again. */
  activationBytes?: number
}

export function createPasses(state: ModelState): Passes {
  const { engine, activation } = state
  const int8Activations = state.activationQuantization === 'int8'
  const logitPasses = createProgramCache<TokenTensors, { logits: Tensor }>(state)
  const lossPasses = createProgramCache<
    TokenTensors & LossTensors,
    { logProbs: Tensor; hidden: Tensor; lse: Tensor }
  >(state)
  const probePasses = createProgramCache<
    TokenTensors & LossTensors & { probes: Tensor },
    { logProbs: Tensor; probeLogProbs: Tensor }
  >(state)
  const dropoutSeed = engine.tensor('int32', [1])
  const capacities = new Set<number>()
  const withoutDropout: PassOptions = {
    activation,
    dropoutSeed: null,
    int8Activations,
    recomputation: keepEverything,
  }

  return {
    async logits(tokens) {
      ensurePositions(state, highest(tokens.positions) + 1)
      const count = tokens.ids.length
      const pass = logitPasses.get(`${count}`, () => {
        const tape = createTape()
        const inputs = tokenTensors(count)
        const { architecture } = state
        const tensors = passTensors(state)
        const pass = { tape, tensors, tokens: withStarts(inputs), options: withoutDropout }
        const hidden = architecture.norm.record(pass, decode(pass, architecture))
        const logits = headLogits(tape, hidden, tensors.tensor(headOf(architecture)))
        return { program: engine.compile(tape.commands(), [logits]), inputs, outputs: { logits } }
      })
      writeTokens(pass.inputs, tokens)
      await engine.run(pass.program)
      return (await engine.read(pass.outputs.logits)) as Float32Array
    },

    async losses(tokens, { gradientScale, ...options } = {}) {
      const drops = (options.dropoutSeed ?? 0) !== 0 && (state.adapter?.config.loraDropout ?? 0) > 0
      const rows = learnedRows(tokens.targets)
      const count = tokens.ids.length
      if (rows.length === 0) return { losses: new Float32Array(0), rows }
      ensurePositions(state, highest(tokens.positions) + 1)
      const trains = gradientScale !== undefined
      const recomputation = trains ? recomputationOf(count, options) : keepEverything
      const { wholeLayers, gatedLayers } = recomputation
      const capacity = capacityFor(count)
      const key = `${capacity} ${trains} ${drops} ${wholeLayers} ${gatedLayers}`
      const pass = lossPasses.get(key, () =>
        compileLoss(capacity, trains, {
          activation,
          dropoutSeed: drops ? dropoutSeed : null,
          int8Activations,
          recomputation,
        }),
      )
      writeTokens(pass.inputs, tokens)
      writeTargets(pass.inputs, tokens, rows)
      // Places in the model count up from it, four a layer.
      if (drops) engine.write(dropoutSeed, Int32Array.of(Math.imul(options.dropoutSeed ?? 0, 4096)))
      if (trains)
        engine.write(pass.inputs.weights, new Float32Array(count).fill(gradientScale, 0, rows.length))
      await engine.run(pass.program, count)
      const losses = await readLosses(pass.outputs.logProbs, rows)
      if (trains)
        for (const gradient of state.trainable?.untrained ?? [])
          engine.write(gradient, new Float32Array(gradient.shape[0]))
      if (trains && state.tokenRows)
        await addTokenRowGradients(state, {
          hidden: pass.outputs.hidden,
          lse: pass.outputs.lse,
          targets: rows.map((row) => tokens.targets[row]),
          weights: Array<number>(rows.length).fill(gradientScale),
        })
      return { losses, rows }
    },

    async probe(tokens, probe) {
      const rows = learnedRows(tokens.targets)
      const count = tokens.ids.length
      if (rows.length === 0) return { losses: new Float32Array(0), probeLosses: new Float32Array(0), rows }
      ensurePositions(state, highest(tokens.positions) + 1)
      const capacity = capacityFor(count)
      const pass = probePasses.get(`${capacity}`, () => {
        const tape = createTape()
        const inputs = {
          ...tokenTensors(capacity),
          ...lossTensors(capacity),
          probes: engine.tensor('int32', [capacity]),
        }
        const { hidden, head } = learnedHidden(tape, inputs, withoutDropout)
        const { logProbs } = targetLogProbs(tape, hidden, head, inputs.targets, null)
        const { logProbs: probeLogProbs } = targetLogProbs(tape, hidden, head, inputs.probes, null)
        return {
          program: engine.compile(tape.commands(), [logProbs, probeLogProbs]),
          inputs,
          outputs: { logProbs, probeLogProbs },
        }
      })
      writeTokens(pass.inputs, tokens)
      writeTargets(pass.inputs, tokens, rows)
      engine.write(pass.inputs.probes, new Int32Array(count).fill(-1).fill(probe, 0, rows.length))
      await engine.run(pass.program, count)
      return {
        losses: await readLosses(pass.outputs.logProbs, rows),
        probeLosses: await readLosses(pass.outputs.probeLogProbs, rows),
        rows,
      }
    },
  }

  /**
   * With `weighLater` the forward pass runs with weights of 1, and the backward pass waits for `engine.finish`, which reads those
   * that were written after the log-probabilities were read.
   */
  function compileLoss(count: number, trains: boolean, options: PassOptions, weighLater = false) {
    const tape = createTape()
    const inputs = { ...tokenTensors(count), ...lossTensors(count) }
    const { hidden, head } = learnedHidden(tape, inputs, options, trains)
    const weights = trains ? inputs.weights : null
    const { logProbs, lse } = targetLogProbs(tape, hidden, head, inputs.targets, weights)
    const gradients = new Map(state.trainable?.tensors.map(({ tensor, gradient }) => [tensor.id, gradient]))
    const rows = rowGradient(trains)
    if (rows) gradients.set(rows.weight.id, rows.gradient)
    const back = trains ? backward(tape, gradients, { weighLater }) : []
    const [now, later] = weighLater ? [[], back] : [back, []]
    const readable = trains && state.tokenRows ? [logProbs, hidden, lse] : [logProbs]
    return {
      program: engine.compile([...tape.commands(), ...now], readable, later),
      inputs,
      outputs: { logProbs, hidden, lse },
    }
  }

  /**
   * The head sees only the rows that are learned from: the others have no loss and no gradient of their own. Their number
   * differs from batch to batch, so they come with padding up to all rows and one program serves them all.
   */
  function learnedHidden(
    tape: Tape,
    inputs: TokenTensors & LossTensors,
    options: PassOptions,
    trains = false,
  ) {
    const { architecture } = state
    const tensors = passTensors(state)
    const pass = { tape, tensors, tokens: withStarts(inputs), options, rowGradient: rowGradient(trains) }
    const chosen = selectRows(tape, decode(pass, architecture), inputs.rows)
    return {
      hidden: architecture.norm.record(pass, chosen),
      head: tensors.tensor(headOf(architecture)),
    }
  }

  /** What the gradients of single rows of the embedding need, where some are trained. */
  function rowGradient(trains: boolean) {
    const tables = trains ? (state.tokenRows?.tables ?? []) : []
    return tables.find((table) => table.rowGradient)?.rowGradient ?? undefined
  }

  function recomputationOf(count: number, { recompute, activationBytes }: LossOptions): Recomputation {
    if (recompute === true) return { wholeLayers: state.architecture.layers.length, gatedLayers: 0 }
    if (activationBytes === undefined) return keepEverything
    return recomputationWithin(state.architecture, bytesPerElement[activation], count, activationBytes)
  }

  /**
   * Rows that a pass of `count` tokens is compiled for: those of an earlier pass that was little longer, else its own. To plan
   * and encode a pass takes 10 ms in which no kernel runs, and batches differ in length.
   */
  function capacityFor(count: number): number {
    const fitting = [...capacities].filter((rows) => rows >= count && rows <= count + 256)
    const capacity = fitting.length > 0 ? Math.min(...fitting) : count
    capacities.add(capacity)
    return capacity
  }

  function tokenTensors(count: number): TokenTensors {
    return {
      ids: engine.tensor('int32', [count]),
      positions: engine.tensor('int32', [count]),
      starts: engine.tensor('int32', [count]),
    }
  }

  function lossTensors(count: number): LossTensors {
    return {
      rows: engine.tensor('int32', [count]),
      targets: engine.tensor('int32', [count]),
      weights: engine.tensor('float32', [count]),
    }
  }

  function writeTargets(inputs: LossTensors, tokens: PassTokens, rows: Int32Array): void {
    const padded = () => new Int32Array(tokens.targets.length).fill(-1)
    const chosen = padded()
    chosen.set(rows)
    const targets = padded()
    rows.forEach((row, i) => (targets[i] = tokens.targets[row]))
    engine.write(inputs.rows, chosen)
    engine.write(inputs.targets, targets)
  }

  async function readLosses(logProbs: Tensor, rows: Int32Array): Promise<Float32Array> {
    return ((await engine.read(logProbs)) as Float32Array).subarray(0, rows.length).map((logProb) => -logProb)
  }

  function writeTokens(inputs: TokenTensors, tokens: PassTokens): void {
    engine.write(inputs.ids, tokens.ids)
    engine.write(inputs.positions, tokens.positions)
    engine.write(inputs.starts, tokens.starts)
  }
}

type TokenTensors = { ids: Tensor; positions: Tensor; starts: Tensor }
type LossTensors = { rows: Tensor; targets: Tensor; weights: Tensor }

/** Log-probabilities [m] of the targets; with weights the hidden states' gradient is made on the way. */
function targetLogProbs(
  tape: Tape,
  hidden: Tensor,
  head: Tensor,
  targets: Tensor,
  weights: Tensor | null,
): { logProbs: Tensor; lse: Tensor } {
  const vector = { dtype: 'float32' as const, shape: [targets.shape[0]] }
  const { logProbs, lse } = tape.apply(
    'targetLogProbs',
    { hidden, weight: head, targets, weights },
    {},
    { logProbs: vector, lse: vector, dHidden: weights && hidden },
  )
  if (!logProbs || !lse) throw new Error('targetLogProbs was recorded without its outputs')
  return { logProbs, lse }
}

function withStarts({ ids, positions, starts }: TokenTensors) {
  return { ids, positions, context: { starts } }
}

function learnedRows(targets: Int32Array): Int32Array {
  const rows: number[] = []
  targets.forEach((target, row) => {
    if (target >= 0) rows.push(row)
  })
  return Int32Array.from(rows)
}

function highest(values: Int32Array): number {
  let largest = 0
  for (const value of values) if (value > largest) largest = value
  return largest
}
