import { learnedPlaces, type Batch } from '../../batch/index.ts'
import { backward, bytesPerElement, createTape } from '../../engine/index.ts'
import type { Tape } from '../../engine/tape.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { addTokenRowGradients } from '../adapters/tables/token-rows.ts'
import { atTemperature, headOf, linearParameters } from '../blocks/architecture.ts'
import { decode, headLogits } from '../blocks/decode.ts'
import { recordBalance } from '../blocks/balance.ts'
import type { ForwardPass, PassOptions, Recomputation, Routing } from '../blocks/forward-pass.ts'
import { keepEverything, present } from '../blocks/forward-pass.ts'
import { selectRows } from '../blocks/select-rows.ts'
import type { ModelState } from '../state/model-state.ts'
import { passTensors } from '../state/pass-tensors.ts'
import { ensurePositions } from '../state/rotations.ts'
import { targetLogProbs, type LearnedHidden } from './head.ts'
import { dropoutSeedOf, type PassDropout } from './dropout-seed.ts'
import { targetRows, targetTensors, tokenTensors, writeTargets, writeTokens } from './pass-inputs.ts'
import type { PassRows, TargetTensors, TokenTensors } from './pass-inputs.ts'
import { createPassLayouts } from './pass-layout.ts'
import { createProgramCache } from './program-cache.ts'
import { recomputationWithin } from './recompute.ts'

/** Forward and backward passes over a batch of n tokens, m of them learned from. */
export interface Passes {
  /** Logits [n, vocabulary] of all tokens. */
  logits(batch: Batch): Promise<Float32Array>
  /** What the routers of each layer say of all tokens, and the loss of how unevenly they use their experts. */
  routing(batch: Batch): Promise<RouterOutputs>
  /** log P(target) [m] of the learned tokens, in nats. Of a reward model their scores. */
  logProbs(batch: Batch, options?: ScoringOptions): Promise<Float32Array>
  /** The same, what it would be if `token` were the target of each, and the token that is likeliest in the place of each. */
  alternative(batch: Batch, token: number): Promise<Scores>
  /** `logProbs`, and what is told of the distributions that they are of. */
  described(
    batch: Batch,
    options?: ScoringOptions,
  ): Promise<{ logProbs: Float32Array; description: TokenDescription }>
  /** `logProbs`, on the way to the gradients: adds Σ weights · −∂logProbs to them. */
  train(batch: Batch, weights: Weights, options?: TrainingPassOptions): Promise<Float32Array>
  /** The tokens of a pass without shared ones that takes as much memory as `train` of this batch, or another pass over it. */
  sizeOf(batch: Batch, options?: TrainingPassOptions): number
}

/**
 * −∂loss/∂logProbs [m]. Weights that are known before the pass take one stage; those that follow from its log-probabilities are
 * asked for when the forward pass is done, and the backward pass waits for them.
 */
export type Weights =
  | ArrayLike<number>
  | ((logProbs: Float32Array, description?: TokenDescription) => ArrayLike<number>)

/** What is told of the distribution p over the vocabulary at each learned token, whose logits are s; each [m]. */
export interface TokenDescription {
  /** −Σ p log p, in nats. */
  entropy: Float32Array
  /** Mean of s. */
  meanLogit: Float32Array
  /** s of the target less the largest other s: from 0 on the target is the likeliest. */
  margin: Float32Array
  /** log Σ p². */
  logSquares: Float32Array
}

/** What a pass says of the m learned tokens. */
export interface Scores {
  /** log P(target) [m] */
  logProbs: Float32Array
  /** log P of another token in their place [m] */
  alternative: Float32Array
  /** The likeliest tokens [m] */
  best: Int32Array
  /** The loss of unevenly used experts, not multiplied; where it is part of the loss. */
  balance?: number
}

/** Of a model with experts. */
export interface RouterOutputs {
  /** [n, E] of each layer that has experts, before the softmax. */
  logits: Float32Array[]
  /** Not multiplied by its coefficient. */
  loss: number
}

/** How the documents of a batch are computed. */
export interface ScoringOptions {
  /** Computes once what documents begin with as the one before them does, where the model can and that is much; default false. */
  shares?: boolean
  /** What logits are divided by; default 1. */
  temperature?: number | undefined
}

export interface TrainingPassOptions extends ScoringOptions {
  /** Adds this much of the loss of unevenly used experts; default nothing. */
  balance?: number
  /** Takes that loss, multiplied so. */
  onBalanceLoss?: (loss: number) => void
  /** Takes what is told of the distributions, before the weights are asked for. */
  onDescription?: ((description: TokenDescription) => void) | undefined
  /** Which numbers dropout and noise draw; without it there is neither. */
  dropout?: PassDropout
  /** Half the width of the uniform noise on the embedding's output (NEFTune); 0 or absent: none. */
  noise?: number
  /** Computes every layer again in the backward pass, instead of keeping its activations. */
  recompute?: boolean
  /** What the activations may take; beyond it the cheapest of them are computed again. */
  activationBytes?: number
}

export function createPasses(state: ModelState): Passes {
  const { engine, activation } = state
  const logitPasses = createProgramCache<TokenTensors, { logits: Tensor }>(state)
  const scoringPasses = createProgramCache<ScoringTensors, Record<string, Tensor>>(state)
  const trainingPasses = createProgramCache<TrainingTensors, TrainingOutputs>(state)
  const routingPasses = createProgramCache<TokenTensors, Record<string, Tensor>>(state)
  const dropoutSeed = engine.tensor('int32', [1])
  let noise: { magnitude: Tensor; seed: Tensor } | undefined
  const { layoutOf, tokensKept } = createPassLayouts(state)
  const plain: PassOptions = {
    activation,
    dropoutSeed: null,
    int8Activations: state.activationQuantization === 'int8',
    recomputation: keepEverything,
  }

  return {
    async logits(batch) {
      ensurePositions(state, highest(batch.positionIds) + 1)
      const count = batch.inputIds.length
      const pass = logitPasses.get(`${count}`, () => {
        const tape = createTape()
        const inputs = tokenTensors(engine, { tokens: count })
        const { architecture } = state
        const tensors = passTensors(state)
        const recorded = { tape, tensors, tokens: withStarts(inputs), options: plain }
        const hidden = architecture.norm.record(recorded, decode(recorded, architecture))
        const logits = headLogits(
          tape,
          hidden,
          tensors.tensor(headOf(architecture)),
          architecture.logits,
          tensors.headLora,
        )
        return { program: engine.compile(tape.commands(), [logits]), inputs, outputs: { logits } }
      })
      writeTokens(engine, pass.inputs, batch)
      await engine.run(pass.program)
      return (await engine.read(pass.outputs.logits)) as Float32Array
    },
    routing,
    logProbs: async (batch, options) => (await score(batch, options)).logProbs,
    alternative: (batch, token) => score(batch, { token }),
    described: (batch, options) => score(batch, { ...options, describes: true }),
    train,
    sizeOf: (batch, options = {}) => tokensKept(batch, shares(options)),
  }

  async function routing(batch: Batch): Promise<RouterOutputs> {
    const { architecture } = state
    const { balance } = architecture
    if (!balance) return { logits: [], loss: 0 }
    ensurePositions(state, highest(batch.positionIds) + 1)
    const count = batch.inputIds.length
    const { program, inputs, outputs } = routingPasses.get(`${count}`, () => {
      const tape = createTape()
      const inputs = tokenTensors(engine, { tokens: count })
      const routings: Routing[] = []
      const tensors = passTensors(state)
      decode({ tape, tensors, tokens: withStarts(inputs), options: plain, routings }, architecture)
      const loss = recordBalance(tape, routings, balance.topK, 1, false)
      const logits = Object.fromEntries(routings.map((each, layer) => [`layer ${layer}`, each.logits]))
      const readable = [loss, ...Object.values(logits)]
      return { program: engine.compile(tape.commands(), readable), inputs, outputs: { ...logits, loss } }
    })
    writeTokens(engine, inputs, batch)
    await engine.run(program)
    const logits: Float32Array[] = []
    for (const [name, tensor] of Object.entries(outputs))
      if (name !== 'loss') logits.push((await engine.read(tensor)) as Float32Array)
    return { logits, loss: (await engine.read(outputs['loss']))[0] }
  }

  /** A forward pass; what is not asked for is empty. */
  async function score(
    batch: Batch,
    {
      token,
      describes = false,
      shares = false,
      temperature = 1,
    }: { token?: number; describes?: boolean } & ScoringOptions = {},
  ): Promise<Scores & { description: TokenDescription }> {
    const places = learnedPlaces(batch)
    const nothing = {
      alternative: new Float32Array(0),
      best: new Int32Array(0),
      description: describedBy(new Float32Array(0), 0),
    }
    if (places.length === 0) return { logProbs: new Float32Array(0), ...nothing }
    ensurePositions(state, highest(batch.positionIds) + 1)
    const { shared, capacity, counts, key } = layoutOf(batch, shares)
    const { topK = 1, isAdded: tellsBalance = false } = state.architecture.balance ?? {}
    const stretchCount = token === undefined ? 0 : Math.ceil(capacity.tokens / stretchRows)
    const stretches = Array.from({ length: stretchCount }, (_, i) => `stretch ${i}`)
    const { program, inputs, outputs } = scoringPasses.get(
      `${key} ${token !== undefined} ${describes} ${temperature}`,
      () => {
        const tape = createTape()
        const inputs: ScoringTensors = {
          ...tokenTensors(engine, capacity),
          ...targetTensors(engine, capacity),
          alternatives: engine.tensor('int32', [targetRows(capacity)]),
          ...Object.fromEntries(
            stretches.map((name) => [name, engine.tensor('int32', [stretchRows])] as const),
          ),
        }
        const routings: Routing[] = []
        const learned = learnedHidden(tape, inputs, plain, temperature, undefined, routings)
        const isBalanced = token !== undefined && tellsBalance && routings.length > 0
        const { logProbs, description } = targetLogProbs(tape, learned, inputs.targets, null, describes)
        const { logProbs: alternative } =
          token === undefined ? { logProbs } : targetLogProbs(tape, learned, inputs.alternatives, null)
        // The logits of some rows at a time: those of all would be the largest tensor of all.
        const best = stretches.map((name) => [name, likeliest(tape, learned, inputs[name])] as const)
        const outputs = {
          logProbs,
          ...(token !== undefined && { alternative }),
          ...(description && { description }),
          ...(isBalanced && { balance: recordBalance(tape, routings, topK, 1, false) }),
          ...Object.fromEntries(best),
        }
        return { program: engine.compile(tape.commands(), Object.values(outputs)), inputs, outputs }
      },
    )
    writeTokens(engine, inputs, batch, shared)
    writeTargets(engine, inputs, batch, places, shared)
    const count = batch.inputIds.length
    if (token !== undefined)
      engine.write(inputs.alternatives, new Int32Array(count).fill(-1).fill(token, 0, places.length))
    for (const [i, name] of stretches.entries())
      engine.write(
        inputs[name],
        Int32Array.from({ length: stretchRows }, (_, at) =>
          Math.min(i * stretchRows + at, places.length - 1),
        ),
      )
    await engine.run(program, counts)
    const logProbs = await readLearned(outputs['logProbs'], places)
    if (describes)
      return { logProbs, ...nothing, description: await readDescription(outputs['description'], places) }
    if (token === undefined) return { logProbs, ...nothing }
    const best = new Int32Array(stretchCount * stretchRows)
    for (const [i, name] of stretches.entries()) best.set(await engine.read(outputs[name]), i * stretchRows)
    return {
      logProbs,
      alternative: await readLearned(outputs['alternative'], places),
      best: best.subarray(0, places.length),
      description: nothing.description,
      ...('balance' in outputs && { balance: (await engine.read(outputs['balance']))[0] }),
    }
  }

  /** The likeliest token [stretchRows] at some of the learned rows. */
  function likeliest(tape: Tape, { hidden, head, bounds, lora }: LearnedHidden, rows: Tensor): Tensor {
    const logits = headLogits(tape, selectRows(tape, hidden, rows), head, bounds, lora)
    const y = { dtype: 'int32' as const, shape: [stretchRows] }
    return present(tape.apply('argmax', { x: logits }, {}, { y }).y)
  }

  async function train(
    batch: Batch,
    weights: Weights,
    options: TrainingPassOptions = {},
  ): Promise<Float32Array> {
    const places = learnedPlaces(batch)
    const later = typeof weights === 'function' ? weights : null
    if (places.length === 0) {
      later?.(new Float32Array(0))
      return new Float32Array(0)
    }
    ensurePositions(state, highest(batch.positionIds) + 1)
    const { dropout } = options
    const { drops, isNoisy, coefficient } = drawn(options)
    const count = batch.inputIds.length
    const { shared, capacity, counts, kept, key: rows } = layoutOf(batch, shares(options))
    const recomputation = recomputationOf(kept, options)
    const { wholeLayers, gatedLayers } = recomputation
    const describes = options.onDescription !== undefined
    const { temperature = 1 } = options
    const key = `${rows} ${later !== null} ${drops} ${isNoisy} ${wholeLayers} ${gatedLayers} ${coefficient} ${describes} ${temperature}`
    if (isNoisy && dropout) {
      noise ??= { magnitude: engine.tensor('float32', [1]), seed: engine.tensor('int32', [1]) }
      const { laterScale } = state.architecture.embedding
      engine.write(noise.magnitude, Float32Array.of(laterScale * (options.noise ?? 0)))
      engine.write(noise.seed, Int32Array.of(dropoutSeedOf(dropout, 1)))
    }
    const { program, inputs, outputs } = trainingPasses.get(key, () =>
      compileTraining(
        capacity,
        later !== null,
        {
          ...plain,
          dropoutSeed: drops ? dropoutSeed : null,
          noise: isNoisy ? noise : null,
          recomputation,
        },
        coefficient,
        describes,
        temperature,
      ),
    )
    writeTokens(engine, inputs, batch, shared)
    writeTargets(engine, inputs, batch, places, shared)
    if (drops && dropout) {
      const places = linearParameters(state.architecture).length
      engine.write(dropoutSeed, Int32Array.of(dropoutSeedOf(dropout, places)))
    }
    let known: ArrayLike<number> =
      typeof weights === 'function' ? new Float32Array(places.length).fill(1) : weights
    engine.write(inputs.weights, paddedWeights(known, places.length, count))
    await engine.run(program, counts)
    const logProbs = await readLearned(outputs.logProbs, places)
    if (outputs.balance) options.onBalanceLoss?.((await engine.read(outputs.balance))[0])
    const description = describes ? await readDescription(outputs.description, places) : undefined
    if (description) options.onDescription?.(description)
    if (later) {
      known = later(logProbs, description)
      engine.write(inputs.weights, paddedWeights(known, places.length, count))
      await engine.finish(program)
    }
    for (const gradient of state.trainable?.untrained ?? [])
      engine.write(gradient, new Float32Array(gradient.shape[0]))
    if (state.tokenRows) {
      const targets = places.map((place) => batch.targets[place])
      const { hidden, lse } = outputs
      const bounds = atTemperature(state.architecture.logits, temperature)
      await addTokenRowGradients(state, { hidden, lse, targets, weights: known, bounds })
    }
    return logProbs
  }

  /** In two stages the forward pass runs with weights of 1, and the backward pass waits for `engine.finish`. */
  function compileTraining(
    rows: PassRows,
    twoStages: boolean,
    options: PassOptions,
    coefficient: number,
    describes: boolean,
    temperature: number,
  ) {
    const tape = createTape()
    const routings: Routing[] = []
    const inputs = {
      ...tokenTensors(engine, rows),
      ...targetTensors(engine, rows),
      weights: engine.tensor('float32', [targetRows(rows)]),
    }
    const rowGradient = state.tokenRows?.tables.find((table) => table.rowGradient)?.rowGradient ?? undefined
    const learned = learnedHidden(tape, inputs, options, temperature, rowGradient, routings)
    const { hidden } = learned
    const { logProbs, lse, description } = targetLogProbs(
      tape,
      learned,
      inputs.targets,
      inputs.weights,
      describes,
    )
    const topK = state.architecture.balance?.topK ?? 1
    const balance =
      coefficient === 0 || routings.length === 0
        ? undefined
        : recordBalance(tape, routings, topK, coefficient, true)
    const gradients = new Map(state.trainable?.tensors.map(({ tensor, gradient }) => [tensor.id, gradient]))
    if (rowGradient) gradients.set(rowGradient.weight.id, rowGradient.gradient)
    const forward = tape.commands()
    const back = backward(tape, gradients, { weighLater: twoStages })
    const readable = [
      ...(state.tokenRows ? [logProbs, hidden, lse] : [logProbs]),
      ...(balance ? [balance] : []),
      ...described(description),
    ]
    const program = twoStages
      ? engine.compile(forward, readable, back)
      : engine.compile([...forward, ...back], readable)
    const outputs = {
      logProbs,
      hidden,
      lse,
      ...(balance && { balance }),
      ...(description && { description }),
    }
    return { program, inputs, outputs }
  }

  /** The head sees only the rows that are learned from: the others have no loss and no gradient of their own. */
  function learnedHidden(
    tape: Tape,
    inputs: TokenTensors & TargetTensors,
    options: PassOptions,
    temperature: number,
    rowGradient?: ForwardPass['rowGradient'],
    routings: Routing[] = [],
  ): LearnedHidden {
    const { architecture } = state
    const tensors = passTensors(state)
    const pass = { tape, tensors, tokens: withStarts(inputs), options, rowGradient, routings }
    const chosen = selectRows(tape, decode(pass, architecture), inputs.rows)
    return {
      hidden: architecture.norm.record(pass, chosen),
      head: tensors.tensor(headOf(architecture)),
      bounds: atTemperature(architecture.logits, temperature),
      lora: tensors.headLora,
      // Behind the places of the projections.
      dropout: options.dropoutSeed && {
        seed: options.dropoutSeed,
        place: linearParameters(architecture).length,
      },
      isScored: architecture.isScored === true,
    }
  }

  /** What is drawn or counted for each token of each document. */
  function drawn({ dropout, noise = 0, balance = 0 }: TrainingPassOptions) {
    const drops = dropout !== undefined && (state.adapter?.config.loraDropout ?? 0) > 0
    const isNoisy = dropout !== undefined && noise > 0
    return { drops, isNoisy, coefficient: state.architecture.balance ? balance : 0 }
  }

  /** Whether what documents begin with alike may be computed once: what is drawn for each of their tokens needs them all. */
  function shares(options: TrainingPassOptions): boolean {
    const { drops, isNoisy, coefficient } = drawn(options)
    return options.shares === true && !drops && !isNoisy && coefficient === 0
  }

  function recomputationOf(
    count: number,
    { recompute, activationBytes }: TrainingPassOptions,
  ): Recomputation {
    if (recompute === true) return { wholeLayers: state.architecture.layers.length, gatedLayers: 0 }
    if (activationBytes === undefined) return keepEverything
    return recomputationWithin(state.architecture, bytesPerElement[activation], count, activationBytes)
  }

  async function readDescription(values: Tensor | undefined, places: Int32Array): Promise<TokenDescription> {
    if (!values) return describedBy(new Float32Array(0), 0)
    return describedBy((await engine.read(values)) as Float32Array, places.length)
  }

  async function readLearned(values: Tensor, places: Int32Array): Promise<Float32Array> {
    return ((await engine.read(values)) as Float32Array).subarray(0, places.length)
  }
}

/** Rows whose logits are there at a time, where the likeliest token is looked for. */
const stretchRows = 128

type ScoringTensors = TokenTensors & TargetTensors & { alternatives: Tensor } & Record<string, Tensor>
type TrainingTensors = TokenTensors & TargetTensors & { weights: Tensor }
type TrainingOutputs = {
  logProbs: Tensor
  hidden: Tensor
  lse: Tensor
  balance?: Tensor
  description?: Tensor
}

/** Columns of the head's description [n, 4]. */
function describedBy(values: Float32Array, learned: number): TokenDescription {
  const column = (at: number) => Float32Array.from({ length: learned }, (_, i) => values[4 * i + at])
  return { entropy: column(0), meanLogit: column(1), margin: column(2), logSquares: column(3) }
}

function described(description: Tensor | undefined): Tensor[] {
  return description ? [description] : []
}

function withStarts({ ids, positions, starts, of, places }: TokenTensors) {
  return { ids, positions, context: { starts, ...(of && places && { copies: { of, places } }) } }
}

/** Weights of m tokens, and zeros behind them. */
function paddedWeights(weights: ArrayLike<number>, learned: number, length: number): Float32Array {
  if (weights.length !== learned)
    throw new RangeError(`${weights.length} weights for ${learned} learned tokens`)
  const all = new Float32Array(length)
  all.set(weights)
  return all
}

function highest(values: Int32Array): number {
  let largest = 0
  for (const value of values) if (value > largest) largest = value
  return largest
}
