import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { vi } from 'vitest'

export const root = join(import.meta.dirname, '..')

/** The blocks of code of a page whose fence says exactly this: `ts`, `json pairs`. */
export function blocksOf(page: string, kind: string): string[] {
  return [...page.matchAll(/^```(.*)\n([\s\S]*?)^```/gm)].flatMap(([, info, code]) =>
    info === kind ? [code] : [],
  )
}

/**
 * Runs a block of TypeScript as it stands in a page.
 *
 * @param folder  inside of the repository; what the block writes to `runs/` goes there
 * @returns what it printed
 */
export async function runCode(code: string, folder: string, name: string): Promise<unknown[][]> {
  const file = join(folder, `${name}.ts`)
  const runnable = code
    .replace("'fettle'", JSON.stringify(join(root, 'src', 'index.ts')))
    .replaceAll("'assets/", `'${root}/assets/`)
    .replaceAll("'runs/", `'${folder}/`)
  await writeFile(file, runnable)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  try {
    await import(/* @vite-ignore */ pathToFileURL(file).href)
    return log.mock.calls
  } finally {
    log.mockRestore()
  }
}
