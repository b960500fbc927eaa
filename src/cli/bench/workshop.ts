import type { DType, Engine, Tensor } from '../../engine/index.ts'
import type { Attributes, Command, InputName, OpName, OutputName } from '../../engine/ops.ts'
import { elementCount, flattenAttributes, infoOf } from '../../engine/index.ts'

export const activation = 'bfloat16' satisfies DType

/** Makes tensors of random values and commands over them, and frees the tensors together. */
export class Workshop {
  readonly #made: Tensor[] = []
  readonly #engine: Engine
  readonly #coldBytes: number

  /** @param coldBytes  how much of cold weights is made: more than the caches keep between two uses of one */
  constructor(engine: Engine, coldBytes = 96 * 1024 * 1024) {
    this.#engine = engine
    this.#coldBytes = coldBytes
  }

  tensor(shape: readonly number[], dtype: DType = activation): Tensor {
    const data = dtype === 'int32' ? new Int32Array(elementCount(shape)) : noise(elementCount(shape))
    return this.given(shape, dtype, data)
  }

  given(shape: readonly number[], dtype: DType, data: Float32Array | Int32Array): Tensor {
    const tensor = this.#engine.tensor(dtype, shape, data)
    this.#made.push(tensor)
    return tensor
  }

  /** Matrices [rows, columns]: one (warm), or as many as no cache holds (cold). */
  weights(rows: number, columns: number, temperature: 'warm' | 'cold'): Tensor[] {
    const count = temperature === 'warm' ? 1 : Math.ceil(this.#coldBytes / (2 * rows * columns))
    return Array.from({ length: count }, () => this.tensor([rows, columns]))
  }

  free(): void {
    for (const tensor of this.#made) this.#engine.free(tensor)
  }
}

/** Values around zero that are cheap to make; speed does not depend on them. */
function noise(count: number): Float32Array {
  const values = new Float32Array(count)
  let state = 12345
  for (let i = 0; i < count; i += 1) {
    state = (state * 1664525 + 1013904223) >>> 0
    values[i] = (state / 2 ** 32 - 0.5) / 8
  }
  return values
}

type Named<Name extends string> = Partial<Record<Name, Tensor>>

/** A command of the forward pass. */
export function forward<K extends OpName>(
  op: K,
  inputs: Named<InputName<K>>,
  attributes: Attributes<K>,
  outputs: Named<OutputName<K>>,
): Command {
  const { inputNames, outputNames } = infoOf(op)
  return {
    op,
    direction: 'forward',
    inputs: inOrder(inputNames, inputs),
    outputs: inOrder(outputNames, outputs),
    attributes: flattenAttributes(op, attributes),
  }
}

/** The vjp of an op, from its inputs, outputs and the gradients of its outputs to the gradients of its inputs. */
export function vjp<K extends OpName>(
  op: K,
  inputs: Named<InputName<K>>,
  attributes: Attributes<K>,
  outputs: Named<OutputName<K>>,
  given: Named<OutputName<K>>,
  wanted: Named<InputName<K>>,
): Command {
  const { inputNames, outputNames, gradients } = infoOf(op)
  return {
    op,
    direction: 'vjp',
    inputs: [
      ...inOrder(inputNames, inputs),
      ...inOrder(outputNames, outputs),
      ...inOrder(outputNames, given),
    ],
    outputs: inOrder(gradients, wanted),
    attributes: flattenAttributes(op, attributes),
    accumulate: gradients.map(() => false),
  }
}

function inOrder(
  names: readonly string[],
  tensors: Readonly<Record<string, Tensor | undefined>>,
): (Tensor | null)[] {
  return names.map((name) => tensors[name] ?? null)
}
