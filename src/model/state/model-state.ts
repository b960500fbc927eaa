import type { Engine } from '../../engine/engine.ts'
import type { ActivationQuantization, WeightForm } from '../../engine/quantization.ts'
import type { DType, Tensor } from '../../engine/tensor.ts'
import type { Architecture } from '../blocks/architecture.ts'
import type { Rope } from '../blocks/rope.ts'
import type { ModelConfig } from '../families/index.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { WeightStore } from '../weights/stores/weight-store.ts'
import type { ExactReader } from './exact-reader.ts'
import type { Adapter, DoraNorms, ParkedAdapter } from './adapter-state.ts'
import type { TokenRows } from './token-rows.ts'
import type { TrainableSet } from './trainable-set.ts'

/** Rotation tables [positions, rotaryDim / 2], of which the first `rows` are those of this version of the rotation. */
export interface Rotation {
  cos: Tensor
  sin: Tensor
  version: number
  rows: number
}

/** A loaded model: what is frozen, what is trained, and the rotation tables. Only functions of this room write to it. */
export interface ModelState {
  readonly engine: Engine
  readonly config: ModelConfig
  readonly architecture: Architecture
  readonly store: WeightStore
  /** Compute type. */
  readonly activation: DType
  /** How activations are rounded where they meet int8 weights, in passes of many tokens, as it was asked for. */
  readonly activationQuantization: ActivationQuantization | null
  /** By key of the parameter; a parameter is either here or in `trainable`. */
  readonly frozen: ReadonlyMap<string, Tensor>
  /** How frozen matrices are held that are not held in the compute type. */
  readonly forms: ReadonlyMap<string, WeightForm>
  /** Keys of the frozen vectors that have no zero. */
  readonly withoutZeros: ReadonlySet<string>
  /** The parameter of the store that has the numbers which a key had before it was trained, as long as that is so. */
  readonly stored: ReadonlyMap<string, Parameter>
  /** The values of parameters whose tensors have rounded them, where the store does not have them. */
  readonly exact: ReadonlyMap<string, ExactReader>
  /** What weights are saved in where nobody says: null, each as the store has it. */
  readonly savedAs: 'float32' | 'bfloat16' | null
  readonly trainable: TrainableSet | null
  readonly adapter: Adapter | null
  /** Names of the adapters in use: `adapter` is the one, or made of these. */
  readonly activeAdapters: readonly string[]
  /** Those that are on the model and not in use, by name; see adapters/several/several-adapters.ts. */
  readonly parked: ReadonlyMap<string, ParkedAdapter>
  /** Number of what passes are compiled for: an adapter's, 0 without one. */
  readonly variant: number
  /** Single rows of embedding and head that are trained; see token-rows.ts. */
  readonly tokenRows: TokenRows | null
  /** Of each projection that has DoRA, by its key; see adapters/dora.ts. */
  readonly norms: ReadonlyMap<string, DoraNorms>
  /** What an adapter trains whole, as it was before; see base-weights.ts. */
  readonly base: ReadonlyMap<string, Tensor>
  /** Whether passes leave the adapter out; see without-adapter.ts. */
  readonly isAdapterOff: boolean
  readonly rotations: ReadonlyMap<Rope, Rotation>
  /** Whether an optimiser has been made for it. */
  readonly isTraining: boolean
  /** Whether no weight is held: numbers stay in the files, to be read when something is written; it computes nothing. */
  readonly isUnloaded: boolean
  /** Counts up whenever a tensor is replaced: programs compiled before are stale. */
  readonly revision: number
}

/** A state as the functions of this room see it. */
export interface WritableState extends ModelState {
  architecture: Architecture
  frozen: Map<string, Tensor>
  forms: Map<string, WeightForm>
  withoutZeros: Set<string>
  stored: Map<string, Parameter>
  exact: Map<string, ExactReader>
  trainable: TrainableSet | null
  adapter: Adapter | null
  activeAdapters: readonly string[]
  parked: Map<string, ParkedAdapter>
  variant: number
  tokenRows: TokenRows | null
  norms: ReadonlyMap<string, DoraNorms>
  base: Map<string, Tensor>
  isAdapterOff: boolean
  rotations: Map<Rope, Rotation>
  isTraining: boolean
  revision: number
}

export function writable(state: ModelState): WritableState {
  return state as WritableState
}

/** Says that an optimiser has been made: weights stay as training reads them. */
export function beginTraining(state: ModelState): void {
  writable(state).isTraining = true
}

/** Takes another architecture, and writes what it means into config.json. Its parameters must be set, too. */
export function setArchitecture(
  state: ModelState,
  architecture: Architecture,
  changed: Record<string, unknown>,
): void {
  const written = writable(state)
  written.architecture = architecture
  Object.assign(state.config.raw, changed)
  written.revision += 1
}

let variants = 0

/** A number that no other adapter has. */
function newVariant(): number {
  variants += 1
  return variants
}

/** Takes an adapter whose tensors are trainable already; null: there is none any more. */
export function setAdapter(state: ModelState, adapter: Adapter | null, tokenRows: TokenRows | null): void {
  const written = writable(state)
  written.adapter = adapter
  written.tokenRows = tokenRows
  written.variant = adapter ? newVariant() : 0
  written.revision += 1
}

/** Takes the lengths of rows that DoRA divides by. */
export function setNorms(state: ModelState, norms: ReadonlyMap<string, DoraNorms>): void {
  const written = writable(state)
  written.norms = norms
  written.revision += 1
}

/** Leaves the adapter out of passes from now on, or takes it in again. */
export function switchAdapter(state: ModelState, isOff: boolean): void {
  writable(state).isAdapterOff = isOff
}
