import { stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

/** Waits for a file that a browser saves, until it grows no more. */
export async function expectFile(path: string, seconds = 30): Promise<void> {
  let before = 0
  for (let waited = 0; waited < seconds * 5; waited += 1) {
    const { size } = await stat(path).catch(() => ({ size: 0 }))
    if (size > 0 && size === before) return
    before = size
    await setTimeout(200)
  }
  throw new Error(`${path}: no download in ${seconds} s`)
}
