import { FettleError, type Problem } from '../../../error.ts'
import { fileBytes, readTensorBytes, toFloat32 } from '../../../formats/index.ts'
import type { TensorInfo } from '../../../formats/index.ts'
import { isProjection, type Parameter, type ParameterPart } from '../parameters.ts'
import type { StoredTensors } from './stored-tensors.ts'
import { checkShapes, type WeightStore } from './weight-store.ts'

/** Types that can be computed with; others are quantised or integers. */
type Computable = 'F32' | 'F16' | 'BF16'

/**
 * The parameters of model.safetensors or its shards.
 *
 * @param unread  what to say of tensors that nothing reads, where others are missing
 * @throws FettleError when a tensor of the architecture is missing or has another shape
 */
export function openSafetensorsStore(
  { folder, find, quantized }: StoredTensors,
  parameters: readonly Parameter[],
  unread: readonly Problem[],
): WeightStore {
  checkShapes(
    folder,
    parameters,
    (part) => part.safetensors,
    (name) => (quantized(name) ?? find(name))?.shape,
    unread,
  )
  const info = (name: string): TensorInfo & { dtype: Computable } => {
    const tensor = find(name)
    if (!tensor)
      throw new FettleError({ place: `${folder}: tensor ${name}`, found: 'nothing', expected: 'weights' })
    const { dtype } = tensor
    if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16')
      throw new FettleError({
        place: `${tensor.path}: tensor ${name}`,
        found: `dtype ${dtype}`,
        expected: 'F32, F16 or BF16',
        cure: 'Load the model without quantisation and save it again.',
      })
    return { ...tensor, dtype }
  }
  // What cannot be computed with is said before the first number is read.
  for (const { parts } of parameters)
    for (const { safetensors } of parts) if (!quantized(safetensors.name)) info(safetensors.name)
  const storedValues = async (name: string) => {
    const held = quantized(name)
    if (held) return held.read()
    const tensor = info(name)
    return toFloat32(await readTensorBytes(tensor), tensor.dtype)
  }
  const values = async ({ rows, safetensors: { name, transform } }: ParameterPart, shape = [rows]) => {
    const stored = await storedValues(name)
    return transform ? transform.fromFile(stored, shape) : stored
  }
  return {
    dtype: info(parameters[0].key).dtype,
    repeats: true,
    form({ kind, parts }) {
      const forms = new Set(
        parts.map(({ safetensors: { name, transform } }) => {
          const held = quantized(name)
          const fits = transform ? transform.blockRow && held?.turnedBlocks : !held?.turnedBlocks
          return fits ? (held?.form ?? null) : null
        }),
      )
      const [form = null] = forms
      return isProjection({ kind }) && forms.size === 1 ? form : null
    },
    isMxfp4: ({ parts }) => parts.every(({ safetensors: { name } }) => quantized(name)?.isMxfp4 === true),
    dtypeOf({ safetensors: { name } }) {
      const dtype = find(name)?.dtype
      return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16' ? dtype : info(parameters[0].key).dtype
    },
    async part(part, columns, isExact = false) {
      const { rows, safetensors } = part
      // What is stored as it is used stays in the file, where the engine can map it.
      const { transform, name } = safetensors
      const held = quantized(name)
      if (held?.turnedBlocks && transform?.blockRow && !isExact) return held.turnedBlocks(transform.blockRow)
      if (held?.blocks && held.form === 'blocks' && !transform) return held.blocks()
      if ((transform && !transform.onlyReshapes) || held)
        return { data: await values(part, [rows, columns]), dtype: 'F32', rows }
      const { path, offset, dtype } = info(safetensors.name)
      return { source: fileBytes(path), offset, dtype, rows }
    },
    values,
  }
}
