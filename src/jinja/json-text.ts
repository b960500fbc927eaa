import { resetMeter } from './meter.ts'
import { adoptValue } from './types/adopt.ts'
import { toJson } from './types/json.ts'
import { plain } from './types/text.ts'

const asPython = {
  ensureAscii: false,
  indent: undefined,
  itemSeparator: ', ',
  keySeparator: ': ',
  sortKeys: false,
} as const

/** The JSON text of a value as Python's json.dumps writes it, and as `tojson` does in a chat template. */
export function jsonTextOf(value: unknown): string {
  resetMeter()
  return plain(toJson(adoptValue(value), asPython))
}
