import { internalsOf, linearParameters, type AutoModelForCausalLM } from '../../model/index.ts'
import { findPassSize, machineMemory, type MachineMemory } from '../memory/index.ts'
import { bytesPerTrained, type TrainOptions } from '../options/index.ts'
import type { ChosenCheckpoint } from '../runs/index.ts'
import type { RunPasses } from '../task.ts'

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20)

/**
 * The passes of a run that finds its batch size: those that fit the memory, or those of the checkpoint that it goes on from, so that it
 * goes on to the same bits.
 *
 * @param model  with its adapter, where one is trained
 */
export function runPasses(
  model: AutoModelForCausalLM,
  options: TrainOptions,
  from: ChosenCheckpoint | undefined,
  memory: MachineMemory = machineMemory(),
): RunPasses | undefined {
  if (!options.autoFindBatchSize) return undefined
  const { perDeviceTrainBatchSize, gradientAccumulationSteps } = options
  const perToken = internalsOf(model).activationBytesPerToken()
  const trainedCount = model.adapterConfig === null ? model.parameterCount : model.trainableCount
  const found = findPassSize(
    {
      own: memory.ownBytes,
      weights: model.adapterConfig === null ? 0 : weightBytes(model),
      trained: trainedCount * bytesPerTrained(options.optim),
      perToken,
    },
    options.lowMemory,
    memory.bytes,
  )
  const before = from?.state.passes_found
  const perPass = before?.tokens ?? found.perPass
  const activationBytes = before?.activation_bytes ?? found.activationBytes
  return {
    perPass,
    activationBytes,
    told: {
      rows_per_step: perDeviceTrainBatchSize * gradientAccumulationSteps,
      per_device_train_batch_size: perDeviceTrainBatchSize,
      gradient_accumulation_steps: gradientAccumulationSteps,
      tokens_per_pass: perPass,
      activation_mib: mib(Math.min(activationBytes, perPass * perToken)),
      memory_mib: mib(memory.bytes),
      bound_by: memory.boundBy,
      resumed: before !== undefined,
    },
    notes: found.fits
      ? []
      : [
          `about ${mib(found.neededBytes)} MiB are needed, and there are ${mib(memory.bytes)} (${memory.boundBy}); low_memory, quantization: nf4 or an adapter in place of all weights take less`,
        ],
  }
}

/** Bytes of the frozen weights that lie in the model's file; those in few bits are the process's own. */
function weightBytes(model: AutoModelForCausalLM): number {
  const each = model.dtype === 'float32' ? 4 : 2
  const { quantization, parameterCount } = model
  if (quantization === null) return parameterCount * each
  const linear = linearParameters(internalsOf(model).state.architecture).reduce(
    (sum, { columns, parts }) => sum + parts.reduce((rows, part) => rows + part.rows, 0) * columns,
    0,
  )
  return (parameterCount - linear) * each
}
