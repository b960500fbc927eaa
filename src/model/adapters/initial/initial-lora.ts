import { elementCount } from '../../../engine/index.ts'
import { adapterName, drawn, normal } from '../../../peft/index.ts'
import type { LoraConfig, LoraFactors } from '../../../peft/index.ts'
import type { AdaptedParameter } from '../adapted-parameters.ts'
import type { InitialLora } from '../lora-entries.ts'

/**
 * What A and B of a new adapter begin with: A uniform in ±1/√K (PEFT's Kaiming initialisation with a = √5) or normal with deviation 1/r
 * (`gaussian`), B zero; with `initLoraWeights: false` both uniform in ±1/√(columns). Where the base was changed, what goes with it.
 */
export function initialLora(
  { initLoraWeights: init }: LoraConfig,
  begun: ReadonlyMap<string, Float32Array>,
  random: () => number,
): InitialLora {
  return ({ name, rows, shape }, matrix, count) => {
    const factor = begun.get(name)
    if (factor) return factor
    const [, columns = 1] = shape
    const size = elementCount(shape)
    // Magnitudes follow from the others: see startMagnitudes.
    if (matrix === 'magnitude') return new Float32Array(rows).fill(1)
    if (matrix === 'B' && init !== false) return new Float32Array(size)
    if (init === 'gaussian') return drawn(size, () => (normal(random) * count) / rows)
    return drawn(size, () => (2 * random() - 1) / Math.sqrt(columns))
  }
}

/** The A and B of modules under the names, and with the rows, that they have in an adapter's file. */
export function factorTensors(
  adapted: readonly AdaptedParameter[],
  factors: ReadonlyMap<string, LoraFactors>,
): ReadonlyMap<string, Float32Array> {
  const tensors = new Map<string, Float32Array>()
  for (const { module, rows, adapter, outputs } of adapted.flatMap(({ parts }) => parts)) {
    const found = factors.get(module)
    if (!found || !adapter) continue
    tensors.set(adapterName(`${module}.lora_A.weight`), found.a)
    const b = outputs ? outputs.toFile(found.b, [rows, adapter.rank]) : found.b
    tensors.set(adapterName(`${module}.lora_B.weight`), b)
  }
  return tensors
}
