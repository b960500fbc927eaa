import type { Tensor } from '../../engine/index.ts'
import type { ModelInternals, Training } from '../../model/index.ts'

/** How a run's reference is had: by switching the adapter off, or as a copy of the parameters where training begins. */
export interface ReferenceOptions {
  kind: 'base' | 'copy'
  /** Lets a copy follow the model: every so many steps it becomes alpha · model + (1 − alpha) · copy. */
  sync?: { alpha: number; steps: number } | undefined
}

/** The parameters as they were when training began. */
export interface ReferenceCopy {
  /** [numbers of everything trainable] float32; checkpoints hold it. */
  readonly parameters: Tensor
  /** Computes with them in place of the model's. */
  use<T>(body: () => Promise<T>): Promise<T>
  /** Called after each step, 1 for the first. */
  stepDone(step: number): Promise<void>
}

/** Copies everything trainable: an adapter is small, a whole model is not. */
export async function copyReference(
  { inTurn }: Pick<ModelInternals, 'inTurn'>,
  { trainable, parametersChanged }: Training,
  { sync }: ReferenceOptions,
): Promise<ReferenceCopy> {
  const { engine, parameters, size } = trainable
  const copy = engine.tensor('float32', [size])
  const valuesOf = async (tensor: Tensor) => Float32Array.from(await engine.read(tensor))
  await inTurn(async () => engine.write(copy, await valuesOf(parameters)))
  return {
    parameters: copy,
    async use(body) {
      const trained = await valuesOf(parameters)
      engine.write(parameters, await valuesOf(copy))
      await parametersChanged()
      try {
        return await body()
      } finally {
        engine.write(parameters, trained)
        await parametersChanged()
      }
    },
    async stepDone(step) {
      if (!sync || step % sync.steps !== 0) return
      const [now, before] = [await valuesOf(parameters), await valuesOf(copy)]
      engine.write(
        copy,
        before.map((value, i) => sync.alpha * now[i] + (1 - sync.alpha) * value),
      )
    },
  }
}
