import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Random } from '../mutate/random.ts'
import type { OpenTarget, Target } from '../target.ts'

export interface FileTarget {
  name: string
  /** Folders that hold the file and what is read beside it. */
  seeds: readonly string[]
  /** The file that is mutated. */
  file: string
  mutate(random: Random, bytes: Uint8Array): Uint8Array | string
  /** Reads the folder and uses what was read, as people do. */
  use(folder: string): Promise<string>
  judged?: 'safetensors'
  /** Adds what the seeds' folders lack. */
  prepare?: (folder: string) => Promise<void>
}

/** A target whose case is a folder with one file mutated. */
export function fileTarget({ name, seeds, file, mutate, use, judged, prepare }: FileTarget): Target {
  return {
    name,
    async open(folder): Promise<OpenTarget> {
      const opened: { copy: string; bytes: Uint8Array }[] = []
      for (const [i, seed] of seeds.entries()) {
        const copy = join(folder, `seed-${i}`)
        await rm(copy, { recursive: true, force: true })
        await mkdir(copy, { recursive: true })
        await cp(seed, copy, { recursive: true })
        await prepare?.(copy)
        opened.push({ copy, bytes: await readFile(join(copy, file)) })
      }
      let path = ''
      return {
        async run(random) {
          const { copy, bytes } = random.of(opened)
          path = join(copy, file)
          // In place would change a file that a model of an earlier case still maps.
          await rm(path, { force: true })
          await writeFile(path, mutate(random, bytes))
          return use(copy)
        },
        ...(judged && { judged: { reader: judged, path: () => path } }),
      }
    },
  }
}
