import type { Batch } from '../../batch/index.ts'
import { createTape } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { decode } from '../blocks/decode.ts'
import { keepEverything } from '../blocks/forward-pass.ts'
import type { ModelState } from '../state/model-state.ts'
import { passTensors } from '../state/pass-tensors.ts'
import { ensurePositions } from '../state/rotations.ts'
import type { Parameter } from '../weights/parameters.ts'
import { tokenTensors, writeTokens } from './pass-inputs.ts'

/** What projections read of one batch. */
export interface ProjectionInputs {
  /** The number of a projection's input; projections with the same number read the same. */
  placeOf(parameter: Parameter): number
  /** Of these rows of that input: [rows, columns]. */
  read(place: number, rows: ArrayLike<number>): Promise<Float32Array>
}

/** Runs the layers on a batch, without dropout, and keeps what these projections read until the next program runs. */
export async function projectionInputs(
  state: ModelState,
  parameters: readonly Parameter[],
  batch: Batch,
): Promise<ProjectionInputs> {
  const { engine, activation, architecture, activationQuantization } = state
  ensurePositions(state, batch.positionIds.reduce((most, place) => Math.max(most, place), 0) + 1)
  const tape = createTape()
  const { ids, positions, starts } = tokenTensors(engine, { tokens: batch.inputIds.length })
  const tensors = passTensors(state)
  const options = {
    activation,
    dropoutSeed: null,
    int8Activations: activationQuantization === 'int8',
    recomputation: keepEverything,
  }
  decode({ tape, tensors, tokens: { ids, positions, context: { starts } }, options }, architecture)
  // The first two inputs of `linear` are x and the weight.
  const products = tape.commands().filter(({ op }) => op === 'linear')
  const readBy = new Map(products.map(({ inputs: [x, weight] }) => [weight?.id, x]))
  const places = new Map<Parameter, Tensor>()
  for (const parameter of parameters) {
    const x = readBy.get(tensors.linear(parameter).weight.id)
    if (!x) throw new Error(`no product with ${parameter.key}`)
    places.set(parameter, x)
  }
  const distinct = [...new Set(places.values())]
  const program = engine.compile(tape.commands(), distinct)
  try {
    writeTokens(engine, { ids, positions, starts }, batch)
    await engine.run(program)
  } finally {
    for (const tensor of [ids, positions, starts]) engine.free(tensor)
  }
  return {
    placeOf: (parameter) => distinct.findIndex((tensor) => tensor === places.get(parameter)),
    async read(place, rows) {
      const all = (await engine.read(distinct[place])) as Float32Array
      const [, columns] = distinct[place].shape
      const chosen = new Float32Array(rows.length * columns)
      for (let i = 0; i < rows.length; i += 1)
        chosen.set(all.subarray(rows[i] * columns, (rows[i] + 1) * columns), i * columns)
      return chosen
    },
  }
}
