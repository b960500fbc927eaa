import { clipText, FettleError } from '../../error.ts'
import { readableGgufTypes, readGgufFloat32 } from '../../formats/index.ts'
import type { GgufFile } from '../../formats/index.ts'
import type { Parameter, ParameterPart } from './parameters.ts'
import { checkShapes, type WeightStore } from './weight-store.ts'

/** Parameters of a GGUF file, dequantised when they are asked for. */
export function openGgufStore(
  path: string,
  { tensors }: GgufFile,
  parameters: readonly Parameter[],
): WeightStore {
  checkShapes(
    path,
    parameters,
    (part) => part.gguf,
    (name) => tensors.get(name)?.shape,
  )
  checkNothingLeft(path, [...tensors.keys()], parameters)
  checkTypes(path, tensors, parameters)
  const values = async ({ rows, gguf: { name, transform } }: ParameterPart, shape = [rows]) => {
    const tensor = tensors.get(name)
    if (!tensor)
      throw new FettleError({ place: `${path}: tensor ${name}`, found: 'nothing', expected: 'weights' })
    const data = await readGgufFloat32(tensor)
    return transform ? transform.fromFile(data, shape) : data
  }
  const embedding = tensors.get('token_embd.weight')?.type
  const dtype = embedding === 'F32' || embedding === 'F16' ? embedding : 'BF16'
  return {
    dtype,
    dtypeOf: () => dtype,
    repeats: true,
    async part(part, columns) {
      // The engine rounds to its compute type; in float32 the dequantised values stay as they are.
      return { data: await values(part, [part.rows, columns]), dtype: 'F32', rows: part.rows }
    },
    values,
  }
}

/** Types that cannot be read are said before the first number is. */
function checkTypes(path: string, tensors: GgufFile['tensors'], parameters: readonly Parameter[]): void {
  const used = parameters.flatMap(({ parts }) => parts.map(({ gguf }) => tensors.get(gguf.name)))
  const types = new Set(
    used.flatMap((tensor) => tensor?.type ?? []).filter((type) => !readableGgufTypes.includes(type)),
  )
  if (types.size === 0) return
  throw new FettleError({
    place: path,
    found: `tensors of type ${[...types].join(', ')}`,
    expected: readableGgufTypes.join(', '),
    cure: 'Convert the model to Q8_0, Q4_K or BF16 with llama-quantize.',
  })
}

/** Tensors without parameters: rotation tables of old converters, and the scaling that the family reads. */
const harmless = /\.(attn_rot_embd|attn_q_rope|inv_freq)\b|rope_(freqs|factors_long|factors_short)\b/

/** A layer's tensor that no parameter takes is a part of the computation that would silently be left out. */
function checkNothingLeft(path: string, names: readonly string[], parameters: readonly Parameter[]): void {
  const left = unreadGgufTensors(names, parameters).filter((name) => name.startsWith('blk.'))
  if (left.length === 0) return
  throw new FettleError({
    place: `${path}: tensor ${clipText(left[0])}`,
    found: left.length === 1 ? 'a tensor' : `${left.length} tensors`,
    expected: 'none that this architecture has no place for',
    cure: 'The file holds a variant that fettle does not know: use the Hugging Face folder of the model.',
  })
}

/** Names of tensors that no parameter takes. */
export function unreadGgufTensors(names: readonly string[], parameters: readonly Parameter[]): string[] {
  const used = new Set(parameters.flatMap(({ parts }) => parts.map(({ gguf }) => gguf.name)))
  return names.filter((name) => !used.has(name) && !harmless.test(name))
}
