import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  readJsonFile,
  readSafetensorsHeader,
  readTensorBytes,
  toFloat32,
  writeFileAtomic,
  writeSafetensors,
  type TensorToWrite,
} from '../../formats/index.ts'
import { transpose } from '../../transpose.ts'

/**
 * An adapter of mlx-lm read by its rules, as PEFT has it: A and B turned, alpha = scale · rank.
 *
 * @returns the folder that it was written to
 */
export async function adapterOfMlx(folder: string, scratch: string): Promise<string> {
  const { lora_parameters: parameters } = (await readJsonFile(join(folder, 'adapter_config.json'))) as {
    lora_parameters: { rank: number; scale: number }
  }
  const { rank, scale } = parameters
  const { tensors } = await readSafetensorsHeader(join(folder, 'adapters.safetensors'))
  const modules = new Set<string>()
  const turned: TensorToWrite[] = []
  for (const [name, tensor] of tensors) {
    const [, module = '', which = ''] = /^(.*)\.lora_([ab])$/.exec(name) ?? []
    const [rows, columns] = tensor.shape
    modules.add(module)
    turned.push({
      name: `base_model.model.${module}.lora_${which.toUpperCase()}.weight`,
      dtype: 'F32',
      shape: [columns, rows],
      data: transpose(toFloat32(await readTensorBytes(tensor), tensor.dtype), rows, columns),
    })
  }
  const output = join(scratch, 'adapter')
  await mkdir(output)
  await writeSafetensors(join(output, 'adapter_model.safetensors'), turned)
  const config = { peft_type: 'LORA', r: rank, lora_alpha: scale * rank, target_modules: [...modules] }
  await writeFileAtomic(join(output, 'adapter_config.json'), JSON.stringify(config))
  return output
}
