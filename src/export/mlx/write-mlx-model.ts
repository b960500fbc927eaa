import { join } from 'node:path'
import { parseJsonObject } from '../../formats/foreign/index.ts'
import { readTextFile, writeFileAtomic } from '../../formats/index.ts'
import type { WriteExport } from '../format.ts'
import { writeSafetensorsExport } from '../safetensors-format.ts'
import { withOlderRope } from './older-rope.ts'

/** A folder as Transformers saves it, whose config.json mlx-lm reads as it is meant. */
export const writeMlxModel: WriteExport = async (source, target) => {
  await writeSafetensorsExport(source, target)
  const path = join(target.folder, 'config.json')
  const config = parseJsonObject(await readTextFile(path), path)
  await writeFileAtomic(path, `${JSON.stringify(withOlderRope(config), null, 2)}\n`)
}
