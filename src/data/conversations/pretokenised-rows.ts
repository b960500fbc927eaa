import { FettleError } from '../../error.ts'
import type { Conversation } from './conversation.ts'
import { formatOrigin, type Row } from '../row.ts'
import { describeValue, numberOf } from '../../formats/json/index.ts'

/** The label that Hugging Face's losses leave out. */
export const ignoredLabel = -100

type TokenRow = Extract<Conversation, { kind: 'tokens' }>

/**
 * Reads a row that is tokenised already: `input_ids` with, optionally, `labels` (unshifted; the token itself or
 * -100), `attention_mask` (0 at padding, which is taken off), `completion_mask` and `assistant_masks` (1 =
 * learn; both must agree). TRL ignores a completion mask unless told otherwise; here what is in the data counts,
 * unless `trainOnInput` asks for every token.
 */
export function readTokenRow(row: Row, trainOnInput: boolean): TokenRow {
  const { value, origin } = row
  const place = formatOrigin(origin)
  const all = integers(place, 'input_ids', value['input_ids'])
  const length = all.length
  const column = (name: string, expected: string, holds: (item: number, at: number) => boolean) => {
    const given = value[name]
    if (given === undefined || given === null) return undefined
    const items = integers(place, name, given)
    if (items.length !== length)
      throw new FettleError({
        place,
        found: `${name} of ${items.length}`,
        expected: `${length}, as many as input_ids`,
      })
    const wrong = items.findIndex((item, at) => !holds(item, at))
    if (wrong >= 0)
      throw new FettleError({ place, found: `${name}[${wrong}] is ${items[wrong]}`, expected: expected })
    return items
  }
  const isBit = (item: number) => item === 0 || item === 1
  const real = column('attention_mask', '0 or 1', isBit)
  const labels = column(
    'labels',
    '-100 or the same token as in input_ids: fettle shifts the labels itself',
    (item, at) => item === ignoredLabel || item === all[at] || real?.[at] === 0,
  )
  const masks = [
    column('completion_mask', '0 or 1', isBit),
    column('assistant_masks', '0 or 1', isBit),
  ].filter((mask) => mask !== undefined)
  const { start, end } = realTokens(place, real, length)
  const learns = (at: number) =>
    labels === undefined ? trainOnInput || masks.every((mask) => mask[at] === 1) : labels[at] !== ignoredLabel
  const inputIds = all.slice(start, end)
  const mask = Uint8Array.from(inputIds, (_, i) => (learns(start + i) ? 1 : 0))
  return { kind: 'tokens', inputIds, mask, origin }
}

function integers(place: string, name: string, value: unknown): number[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new FettleError({
      place,
      found: `${name} is ${describeValue(value)}`,
      expected: 'a list of whole numbers',
    })
  const numbers = value.map(numberOf)
  const wrong = numbers.findIndex((item) => !Number.isInteger(item))
  if (wrong >= 0)
    throw new FettleError({
      place,
      found: `${name}[${wrong}] is ${describeValue(value[wrong])}`,
      expected: 'a whole number',
    })
  return numbers as number[]
}

/** Where the tokens are that the attention mask keeps; padding may stand on either side, not in between. */
function realTokens(
  place: string,
  mask: readonly number[] | undefined,
  length: number,
): { start: number; end: number } {
  if (mask === undefined) return { start: 0, end: length }
  const start = mask.indexOf(1)
  const end = mask.lastIndexOf(1) + 1
  if (start < 0) throw new FettleError({ place, found: 'attention_mask is 0 everywhere', expected: 'some 1' })
  const hole = mask.indexOf(0, start)
  if (hole >= 0 && hole < end)
    throw new FettleError({
      place,
      found: `attention_mask[${hole}] is 0 between tokens`,
      expected: 'zeros at the ends only, as padding makes them',
    })
  return { start, end }
}
