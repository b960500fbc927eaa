import { mkdir, readdir, symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isGgufName, readJsonFile, writeFileAtomic } from '../../formats/index.ts'
import { lacksOlderRope, withOlderRope } from '../mlx/older-rope.ts'

/**
 * The folder of a model as mlx-lm reads it: its own, or one of links to its files whose config.json has the rotation in the spelling that
 * mlx-lm knows.
 */
export async function mlxBase(model: string, scratch: string): Promise<string> {
  if (isGgufName(model)) return model
  const config = await readJsonFile(join(model, 'config.json'))
  if (!lacksOlderRope(config)) return model
  const folder = join(scratch, 'base')
  await mkdir(folder)
  for (const name of await readdir(model))
    if (name !== 'config.json') await symlink(resolve(model, name), join(folder, name))
  await writeFileAtomic(join(folder, 'config.json'), JSON.stringify(withOlderRope(config)))
  return folder
}
