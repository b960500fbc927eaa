import { createTape } from '../../engine/index.ts'
import type { Command, Engine, Tensor } from '../../engine/index.ts'
import type { DoraNorms } from '../state/adapter-state.ts'
import type { ModelState } from '../state/model-state.ts'
import { setNorms } from '../state/model-state.ts'
import { readParameter, parameterTensor } from '../state/frozen-weights.ts'
import { passTensors } from '../state/pass-tensors.ts'
import { rowCount } from '../weights/parameters.ts'
import { adaptedParameters } from './adapted-parameters.ts'

/**
 * DoRA: y = magnitude / ‖W + s B A‖ · (x Wᵀ + s x Aᵀ Bᵀ) + bias, row by row of W. The lengths count as constants of the backward pass,
 * and change only when A and B do: they are computed once after each update, not in every pass.
 * Source: Liu et al. 2024, https://arxiv.org/abs/2402.09353, as PEFT computes it
 */

const magnitudeKey = ({ key }: { key: string }) => `${key}.magnitude`

/** Makes the lengths for an adapter whose A, B and magnitudes are trainable already; call it when the base's weights are final. */
export async function installDora(state: ModelState): Promise<void> {
  const { adapter, engine } = state
  if (!adapter?.config.useDora || state.isUnloaded) return
  const norms = new Map<string, DoraNorms>()
  for (const { parameter, parts } of adaptedParameters(state, adapter.modules)) {
    const rows = rowCount(parameter)
    const magnitude = state.trainable?.byKey.get(magnitudeKey(parameter))
    if (!magnitude) throw new Error(`${parameter.key} has no magnitudes`)
    const squares = squaresOf(await readParameter(state, parameter), parameter.columns)
    norms.set(parameter.key, {
      squares: engine.tensor('float32', [rows], squares),
      inverse: engine.tensor('float32', [rows]),
      ones: parts
        .filter(({ adapter }) => !adapter)
        .map((part) => engine.view(magnitude.tensor, part.firstRow, [part.rows])),
    })
  }
  setNorms(state, norms)
  await refreshDora(state)
}

/** What magnitudes begin with: the lengths of the rows as they are. */
export async function startMagnitudes({ engine, norms, trainable }: ModelState): Promise<void> {
  for (const [key, { inverse }] of norms) {
    const magnitude = trainable?.byKey.get(magnitudeKey({ key }))
    const values = (await engine.read(inverse)) as Float32Array
    if (magnitude)
      engine.write(
        magnitude.tensor,
        values.map((value) => 1 / value),
      )
  }
}

/** Computes the lengths anew; call it whenever A or B have changed. */
export async function refreshDora(state: ModelState): Promise<void> {
  if (state.norms.size === 0) return
  // Weight decay is for all numbers of a vector.
  for (const ones of [...state.norms.values()].flatMap((norm) => norm.ones))
    state.engine.write(ones, new Float32Array(ones.shape[0]).fill(1))
  await state.engine.run(state.engine.compile(normCommands(state), []))
}

/** Gives back their memory. */
export function freeDora(state: ModelState): void {
  freeNorms(state.engine, state.norms)
  setNorms(state, new Map())
}

export function freeNorms(engine: Engine, norms: ModelState['norms']): void {
  for (const { squares, inverse, ones } of norms.values())
    for (const tensor of [squares, inverse, ...ones]) engine.free(tensor)
}

function squaresOf(values: Float32Array, columns: number): Float32Array {
  return Float32Array.from({ length: values.length / columns }, (_, row) => {
    let sum = 0
    for (let i = row * columns; i < (row + 1) * columns; i += 1) sum += values[i] * values[i]
    return sum
  })
}

function normCommands(state: ModelState): Command[] {
  const { activation, adapter, norms } = state
  const tape = createTape()
  const tensors = passTensors(state)
  const kept: Tensor[] = []
  for (const { parameter } of adaptedParameters(state, adapter?.modules ?? new Map())) {
    const norm = norms.get(parameter.key)
    const { lora, segments } = tensors.linear(parameter)
    if (!norm || !lora) continue
    const weight = parameterTensor(state, parameter)
    const [rows] = weight.shape
    const { a, b } = lora
    const x =
      activation === 'float32'
        ? a
        : tape.apply('cast', { x: a }, {}, { y: { dtype: activation, shape: a.shape } }).y
    // A Wᵀ
    const { y: products } = tape.apply(
      'linear',
      { x, weight, bias: null, residual: null, loraA: null, loraB: null, dropoutSeed: null },
      { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [rows, 0, 0] },
      { y: { dtype: 'float32', shape: [a.shape[0], rows] }, t: null },
    )
    tape.apply(
      'inverseNorms',
      { squares: norm.squares, products, loraA: a, loraB: b },
      { segments },
      { y: null },
    )
    kept.push(norm.inverse)
  }
  // What they make outlives the program.
  let made = 0
  return tape.commands().map((command) => {
    if (command.op !== 'inverseNorms') return command
    made += 1
    return { ...command, outputs: [kept[made - 1]] }
  })
}
