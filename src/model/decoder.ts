import { FettleError } from '../error.ts'
import type { Decoder } from '../generate/index.ts'
import { createTape } from '../engine/tape.ts'
import type { Tensor } from '../engine/tensor.ts'
import { decode, headLogits, normalise } from './architecture.ts'
import { decodingHead } from './decoding-head.ts'
import { keepEverything } from './recompute.ts'
import type { ModelState } from './model-state.ts'
import { decoderParameters, ensurePositions } from './model-state.ts'
import { createProgramCache } from './program-cache.ts'

type StepInputs = { ids: Tensor; positions: Tensor; slots: Tensor; rows: Tensor }

/**
 * A key-value cache for `slotCount` sequences of up to `capacity` tokens, and the passes that read and extend it.
 * Shapes: keys and values of each layer [slots, capacity, keyHeads · headDim] in the compute type.
 */
export function createDecoder(state: ModelState, slotCount: number, capacity: number): Decoder {
  const { engine, config, activation } = state
  ensurePositions(state, capacity)
  const shape = [slotCount, capacity, config.keyHeadCount * config.headDim]
  const keys = config.windows.map(() => engine.tensor(activation, shape))
  const values = config.windows.map(() => engine.tensor(activation, shape))
  const passes = createProgramCache<StepInputs, { logits: Tensor; best: Tensor }>(state)

  return {
    vocabSize: config.vocabSize,
    capacity,
    async feed(tokens, rows) {
      const pass = prepare(tokens, rows)
      await engine.run(pass.program)
      return (await engine.read(pass.outputs.logits)) as Float32Array
    },
    async feedGreedy(tokens, rows) {
      const pass = prepare(tokens, rows)
      await engine.run(pass.program)
      return (await engine.read(pass.outputs.best)) as Int32Array
    },
    async continueGreedily(tokens, times, onTokens) {
      const { program, inputs, outputs } = prepare(tokens, Int32Array.from(tokens.ids.keys()))
      const feedback = { times, output: outputs.best, input: inputs.ids, counted: inputs.positions }
      await engine.repeat(program, feedback, onTokens)
    },
    free() {
      passes.clear()
      for (const tensor of [...keys, ...values]) engine.free(tensor)
    },
  }

  /** The pass of so many tokens, with its inputs written. */
  function prepare(tokens: { ids: Int32Array; slots: Int32Array; positions: Int32Array }, rows: Int32Array) {
    const count = tokens.ids.length
    const unknown = tokens.ids.find((id) => id < 0 || id >= config.vocabSize)
    if (unknown !== undefined)
      throw new FettleError({
        place: 'prompt',
        found: `token id ${unknown}`,
        expected: `an id below ${config.vocabSize}, the rows of the model's embedding`,
        cure: 'The tokenizer and the model do not belong together, or the embeddings were not resized.',
      })
    const pass = passes.get(`${count} ${rows.length}`, () => compile(count, rows.length))
    engine.write(pass.inputs.ids, tokens.ids)
    engine.write(pass.inputs.slots, tokens.slots)
    engine.write(pass.inputs.positions, tokens.positions)
    engine.write(pass.inputs.rows, rows)
    return pass
  }

  function compile(count: number, wanted: number) {
    const tape = createTape()
    const inputs = {
      ids: engine.tensor('int32', [count]),
      positions: engine.tensor('int32', [count]),
      slots: engine.tensor('int32', [count]),
      rows: engine.tensor('int32', [wanted]),
    }
    const parameters = decoderParameters(state)
    const { ids, positions, slots, rows } = inputs
    const context = { slots, keys, values }
    const stream = decode(
      tape,
      config,
      parameters,
      { ids, positions, context, ...(wanted < count && { rows }) },
      { activation, dropoutSeed: null, recomputation: keepEverything },
    )
    const hidden = normalise(tape, stream, parameters.norm, config, activation)
    const logits = headLogits(tape, hidden, decodingHead(state))
    const { y: best } = tape.apply('argmax', { x: logits }, {}, { y: { dtype: 'int32', shape: [wanted] } })
    if (!best) throw new Error('argmax was recorded without its output')
    return { program: engine.compile(tape.commands(), [logits, best]), inputs, outputs: { logits, best } }
  }
}
