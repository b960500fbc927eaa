import { FettleError } from '../../error.ts'
import { readGguf } from '../../formats/index.ts'
import type { Architecture } from '../../model/index.ts'
import {
  activationBytesPerToken,
  activationBytesWithin,
  describeGguf,
  describeModel,
} from '../../model/index.ts'
import { loraConfig, matchModules } from '../../peft/index.ts'
import { findPassSize, passSize } from '../../train/index.ts'
import type { Check } from '../check.ts'
import { linearModules, storedDtype, type ModelFiles } from '../model-files.ts'
import { adapts, type Patient } from '../patient.ts'

/** Parameter, gradient and two moments in float32. */
const bytesPerTrained = 16
/** Node, tokenizer, buffers. */
const baseBytes = 300e6

/** Of a weight of a linear layer; 4 bits share a float32 scale among 64. */
const bytesPerQuantized: Readonly<Record<string, number>> = { int8: 1, nf4: 0.5625, fp4: 0.5625 }

/** What a run will need, part by part. */
interface Estimate {
  weights: number
  training: number
  activations: number
  total: number
}

async function estimate(patient: Patient, model: ModelFiles): Promise<Estimate> {
  const { run } = patient
  const count = model.parameterCount
  const isFull = run?.lora === null
  const dtype = run?.dtype === undefined || run.dtype === 'auto' ? storedDtype(model) : run.dtype
  const bytes = dtype === 'float32' ? 4 : 2
  const held = bytesPerQuantized[run?.quantization ?? ''] ?? bytes
  const trained = isFull ? count : run !== undefined || adapts(patient) ? adapterCount(patient, model) : 0
  const linear = linearModules(model).reduce((sum, module) => {
    const [rows = 0, columns = 0] = model.shapes.get(`${module}.weight`) ?? []
    return sum + rows * columns
  }, 0)
  const weights = isFull ? 0 : linear * held + (count - linear) * bytes
  const training = trained * bytesPerTrained
  const fixed = { weights, trained: training }
  const activations = trained > 0 ? await activationBytes(patient, model, bytes, fixed) : 0
  return { weights, training, activations, total: weights + training + activations + baseBytes }
}

/** What training keeps of the longest pass; 0 for a model that it cannot train. */
async function activationBytes(
  { run, machine }: Patient,
  model: ModelFiles,
  elementBytes: number,
  fixed: { weights: number; trained: number },
): Promise<number> {
  let architecture: Architecture
  try {
    const described = model.isGguf
      ? await describeGguf(model.path, readGguf(model.path))
      : await describeModel(model.config, model.path)
    architecture = described.architecture
  } catch (error) {
    // Another check says what is wrong with it.
    if (!(error instanceof FettleError)) throw error
    return 0
  }
  const perToken = activationBytesPerToken(architecture, elementBytes)
  const isLow = run?.lowMemory === true
  const pass =
    run?.autoFindBatchSize === true
      ? findPassSize({ ...fixed, perToken }, isLow, machine.memoryBytes)
      : passSize(perToken, isLow)
  const budget = run?.gradientCheckpointing === true ? 0 : pass.activationBytes
  const tokens = Math.max(pass.perPass, run?.maxLength ?? 0)
  return activationBytesWithin(architecture, elementBytes, tokens, budget)
}

/** Parameters of LoRA: r · (in + out) for each adapted layer, and for each expert where `target_parameters` names these. */
function adapterCount({ run, adapter }: Patient, model: ModelFiles): number {
  const saved = adapter?.config['r']
  const r = run?.lora?.r ?? (typeof saved === 'number' ? saved : 16)
  const isExpert = (name: string) => name.includes('.experts.')
  const modules = linearModules(model).filter((module) => !isExpert(module))
  const parameters = run?.lora?.targetParameters ?? namesIn(adapter?.config['target_parameters'])
  const shapes = [...model.shapes].flatMap(([name, shape]) =>
    isExpert(name) && shape.length > 1 ? [shape] : [],
  )
  const ofExperts = parameters.some((name) => !name.endsWith('.weight'))
    ? shapes.reduce((sum, [...shape]) => {
        const [columns = 0, rows = 0, count = 1] = shape.toReversed()
        return sum + r * count * (rows + columns)
      }, 0)
    : 0
  let adapted = modules
  try {
    const targetModules = run?.lora?.targetModules ?? 'all-linear'
    const matched = matchModules(loraConfig({ r, targetModules }), { linear: modules, tables: [] })
    adapted = matched.map(({ module }) => module)
  } catch (error) {
    // Names that match nothing have a diagnosis of their own; all layers are the upper bound.
    if (!(error instanceof FettleError)) throw error
  }
  return adapted.reduce((sum, module) => {
    const [rows = 0, columns = 0] = model.shapes.get(`${module}.weight`) ?? []
    return sum + r * (rows + columns)
  }, ofExperts)
}

function namesIn(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

/** A run that needs more memory than there is. */
export const memory: Check = {
  looksFor: 'a run that needs more memory than there is',
  async examine(patient) {
    const { model, machine, run, finished } = patient
    if (model === undefined || finished !== undefined) return []
    const { weights, training, activations, total } = await estimate(patient, model)
    if (total < 0.85 * machine.memoryBytes) return []
    const size = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
    return [
      {
        severity: total > machine.memoryBytes ? 'error' : 'warning',
        place: run?.place ?? model.path,
        found: `about ${size(total)} needed, and there are ${size(machine.memoryBytes)}`,
        evidence: [
          { says: `weights ${size(weights)}` },
          { says: `trained parameters with gradients and moments ${size(training)}` },
          { says: `activations ${size(activations)}` },
        ],
        why: 'The system ends the process in the middle of the run, or swaps until nothing moves.',
        cure:
          run?.lora === null
            ? 'Train an adapter instead (lora: { r: 16 }), or set gradient_checkpointing and low_memory.'
            : 'Set per_device_train_batch_size: auto, quantization: nf4, low_memory: true or a smaller max_length; or use a smaller model.',
      },
    ]
  },
}
