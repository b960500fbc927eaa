import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'

// The built program lies in build/bench, its source in bench/fuzz/targets: both are looked at from the root.
const root = fileURLToPath(
  new URL(import.meta.url.includes('/build/bench/') ? '../../' : '../../../', import.meta.url),
)

export const assets = `${root}assets`
export const tinyModel = `${root}assets/tiny-llama`
export const demoData = `${root}assets/demo.jsonl`
export const fixture = (path: string): string => `${root}test/fixtures/${path}`

export function digest(...parts: readonly (string | NodeJS.ArrayBufferView)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex').slice(0, 16)
}
