import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Two steps learn from each generation, and each twice: most checkpoints lie inside of one. */
export const grpoArguments =
  '--num-generations 4 --per-device-train-batch-size 4 --steps-per-generation 2 --num-iterations 2 --max-completion-length 8 --beta 0.05'.split(
    ' ',
  )

/** A module of reward functions. */
export async function writeRewards(folder: string): Promise<string> {
  const path = join(folder, 'rewards.mjs')
  await writeFile(path, 'export const vowels = (text) => text.split(/[aeiou]/).length\n')
  return path
}
