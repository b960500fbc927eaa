import type { Encoding } from './encoding.ts'

/** To what length, on which side and with what rows are padded. */
export interface Padding {
  /** To this many tokens (longer rows stay as they are), or to the longest row. */
  length: number | 'longest'
  multipleOf: number
  side: 'left' | 'right'
  padId: number
}

/** Lengthens rows in place; the attention mask is 0 where they were padded. */
export function padRows(rows: readonly Encoding[], padding: Padding | undefined): void {
  if (padding === undefined) return
  const { multipleOf, side, padId } = padding
  const longest = rows.reduce((most, { inputIds }) => Math.max(most, inputIds.length), 0)
  const least = padding.length === 'longest' ? longest : padding.length
  const length = Math.ceil(least / multipleOf) * multipleOf
  const extend = <T>(list: T[], make: () => T) => {
    const extra = Array.from({ length: Math.max(0, length - list.length) }, make)
    return side === 'left' ? [...extra, ...list] : [...list, ...extra]
  }
  for (const row of rows) {
    row.inputIds = extend(row.inputIds, () => padId)
    row.attentionMask = extend(row.attentionMask, () => 0)
    row.tokenTypeIds = extend(row.tokenTypeIds, () => 0)
    row.offsets = extend(row.offsets, () => [0, 0])
  }
}
