import type { WeightForm } from '../../engine/quantization.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { AdapterTensorToWrite, LoraConfig, ModuleAdapter } from '../../peft/index.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { ExactReader } from './exact-reader.ts'
import type { TokenRows } from './token-rows.ts'
import type { TrainableSet } from './trainable-set.ts'

/** An adapter on the model: its configuration, and each adapted module by path. */
export interface Adapter {
  config: LoraConfig
  modules: ReadonlyMap<string, ModuleAdapter>
  /** Embedding and head, where LoRA is on them; see adapters/tables/table-lora.ts. */
  tables: TableAdapters
  /** Tensors of its file that are not trained and are saved again as they are; see adapters/tables/fixed-tables.ts. */
  fixed: readonly AdapterTensorToWrite[]
  /** Weights that it changed when it began, as they were before; see adapters/initial/changed-base.ts. */
  replaced: readonly ReplacedParameter[]
  /** The A and B that it began with where it changed them, by their names in the file. */
  begun: ReadonlyMap<string, Float32Array>
}

/** A parameter that an adapter replaced when it was loaded, and its values without the adapter. */
export interface ReplacedParameter {
  parameter: Parameter
  base: ExactReader
}

/** Rank and scaling of LoRA on the tables. */
export interface TableAdapters {
  embedding: ModuleAdapter | null
  head: ModuleAdapter | null
}

/** Lengths of the rows W_n of a projection with DoRA. */
export interface DoraNorms {
  /** ‖W_n‖² [N] */
  squares: Tensor
  /** 1 / ‖W_n + scaling · B_n A‖ [N], as of the last update; 1 where a projection has no LoRA. */
  inverse: Tensor
  /** Magnitudes of projections without LoRA, which are stacked with others: they stay 1. */
  ones: readonly Tensor[]
}

/** An adapter that is on the model and not in use: its tensors stay, and so do the passes compiled for it. */
export interface ParkedAdapter {
  adapter: Adapter
  trainable: TrainableSet
  tokenRows: TokenRows | null
  norms: ReadonlyMap<string, DoraNorms>
  variant: number
  /** What it has in the place of weights of the base, by key: see adapters/initial/changed-base.ts. */
  changed: ReadonlyMap<string, ChangedWeight>
}

export interface ChangedWeight {
  tensor: Tensor
  form: WeightForm | undefined
  exact: ExactReader | undefined
}
