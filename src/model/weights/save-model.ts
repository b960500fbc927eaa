import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { float32ToBfloat16, float32ToFloat16 } from '../../float16.ts'
import { makeFolder, writeFileAtomic, writeSafetensors } from '../../formats/index.ts'
import type { TensorToWrite } from '../../formats/index.ts'
import { parametersOf, ropesOf } from '../blocks/architecture.ts'
import { readParameter } from '../state/frozen-weights.ts'
import type { ModelState } from '../state/model-state.ts'
import { extractSlice, slicesOf } from './tensor-slice.ts'

/** Writes config.json, generation_config.json and model.safetensors, without an adapter. */
export async function saveModel(
  state: ModelState,
  folder: string,
  {
    dtype,
    generationConfig,
    place,
  }: { dtype: 'float32' | 'bfloat16' | 'float16'; generationConfig: Record<string, unknown>; place: string },
): Promise<void> {
  if (ropesOf(state.architecture).some(({ scaling }) => scaling.type === 'divisors'))
    throw new FettleError({
      place: `${place}: tensor rope_freqs.weight`,
      found: 'divisors of the rotation frequencies that are not those of Llama 3',
      expected: 'a scaling that config.json can say',
      cure: 'Train from the Hugging Face folder of the model; adapters can be saved all the same.',
    })
  await makeFolder(folder)
  await writeSafetensors(join(folder, 'model.safetensors'), storedTensors(state, dtype))
  await writeFileAtomic(
    join(folder, 'generation_config.json'),
    `${JSON.stringify(generationConfig, null, 2)}\n`,
  )
  // The weights are whole now.
  const { torch_dtype: _, quantization_config: __, ...config } = state.config.raw
  await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify({ ...config, dtype }, null, 2)}\n`)
}

/** The model's tensors one after the other, each read when it is written. */
function storedTensors(state: ModelState, dtype: 'float32' | 'bfloat16' | 'float16'): TensorToWrite[] {
  const stored = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' } as const
  return parametersOf(state.architecture).flatMap((parameter) =>
    slicesOf(parameter).map((slice): TensorToWrite => ({
      name: slice.name,
      dtype: stored[dtype],
      shape: slice.shape,
      async data() {
        const values = extractSlice(await readParameter(state, parameter), slice)
        if (dtype === 'float32') return values
        return dtype === 'bfloat16' ? float32ToBfloat16(values) : float32ToFloat16(values)
      },
    })),
  )
}
