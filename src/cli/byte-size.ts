import { FettleError } from '../error.ts'

const units = new Map([
  ['', 1],
  ['k', 1e3],
  ['m', 1e6],
  ['g', 1e9],
  ['ki', 2 ** 10],
  ['mi', 2 ** 20],
  ['gi', 2 ** 30],
])

/**
 * Bytes of a size: `5GB` is 5 · 10⁹, `5GiB` 5 · 2³⁰, as Hugging Face reads them.
 *
 * @throws FettleError that names the flag, for a text that is no size
 */
export function bytesOf(flag: string, text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg]?i?)b?$/i.exec(text.trim()) ?? []
  const bytes = Number(number) * (units.get(unit.toLowerCase()) ?? Number.NaN)
  if (bytes > 0) return bytes
  throw new FettleError({ place: flag, found: `'${text}'`, expected: 'a size such as 5GB or 500MB' })
}
