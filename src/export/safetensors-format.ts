import { formatGenerationConfig } from '../tokenizer/index.ts'
import type { WriteExport } from './format.ts'

const dtypes = ['float32', 'bfloat16', 'float16', 'stored'] as const

/** Types of bitsandbytes, in which the linear layers are; what is not is as it is stored. */
const fourBits = {
  nf4: { type: 'nf4', isDouble: false },
  'nf4-double': { type: 'nf4', isDouble: true },
} as const

/** A folder as Transformers saves it, with the adapter in the weights. */
export const writeSafetensorsExport: WriteExport = async (
  { model, tokenizer, generationConfig },
  { folder, type, maxShardBytes, onTensor },
) => {
  await model.merge()
  await model.save(folder, {
    dtype: dtypes.find((dtype) => dtype === type) ?? 'stored',
    ...((type === 'nf4' || type === 'nf4-double') && { fourBits: fourBits[type] }),
    generationConfig: formatGenerationConfig(generationConfig),
    maxShardBytes,
    onTensor,
  })
  await tokenizer.save(folder)
}
