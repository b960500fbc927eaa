import type { Tensor } from '../../engine/index.ts'

/** What changes from step to step. */
export interface OptimiserStep {
  learningRate: number
  /** 1 for the first. */
  step: number
}

/** A set of named states and a step. It is made for the parameters of one model, whose gradients others sum and clear. */
export interface Optimiser {
  /**
   * What it remembers between steps, by the names under which a checkpoint holds it. They begin as they are made, and a checkpoint
   * puts them back whole.
   */
  readonly states: Readonly<Record<string, Tensor>>
  /** Changes the parameters by their gradients · stats[1], the factor that clips. */
  update(step: OptimiserStep): Promise<void>
}
