import { formatGenerationConfig } from '../tokenizer/index.ts'
import type { WriteExport } from './format.ts'

const dtypes = ['float32', 'bfloat16', 'float16', 'stored'] as const

/** A folder as Transformers saves it, with the adapter in the weights. */
export const writeSafetensorsExport: WriteExport = async (
  { model, tokenizer, generationConfig },
  { folder, type, maxShardBytes, onTensor },
) => {
  await model.merge()
  await model.save(folder, {
    dtype: dtypes.find((dtype) => dtype === type) ?? 'stored',
    generationConfig: formatGenerationConfig(generationConfig),
    maxShardBytes,
    onTensor,
  })
  await tokenizer.save(folder)
}
