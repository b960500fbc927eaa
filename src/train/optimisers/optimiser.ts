import type { Command, Tensor } from '../../engine/index.ts'

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
  /** Change the parameters by their gradients · stats[1], the factor that clips; nothing is read back between them. */
  readonly commands: readonly Command[]
  /** Writes what the commands of a step read besides; they run after it. */
  begin(step: OptimiserStep): void
}
