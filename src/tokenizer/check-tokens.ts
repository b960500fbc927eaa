import { checkArgument, checkList, checkObject, isList, isText } from '../check-argument.ts'
import type { EncodeOptions } from './encode-texts.ts'

/** What `encode` is given. */
export function checkEncoding(text: unknown, options: EncodeOptions): void {
  checkTexts('text', text)
  checkObject('options', options)
  if (options.pair !== undefined) checkTexts('pair', options.pair)
  checkCount('maxLength', options.maxLength, 0)
  checkCount('padToMultipleOf', options.padToMultipleOf, 1)
}

/** Token ids, as any iterable. */
export function checkIds(name: string, ids: unknown): void {
  const isIterable = typeof ids === 'object' && ids !== null && Symbol.iterator in ids
  const isRight = isIterable && (!Array.isArray(ids) || isList(ids))
  checkArgument(name, ids, isRight, 'token ids')
}

function checkTexts(name: string, value: unknown): void {
  if (!isText(value)) checkList(name, value, isText, 'a text')
}

/** More than any text or row has. */
const most = 1_000_000_000

function checkCount(name: string, value: unknown, least: number): void {
  const isRight =
    value === undefined ||
    value === null ||
    (Number.isInteger(value) && Number(value) >= least && Number(value) <= most)
  checkArgument(name, value, isRight, `a whole number from ${least}`)
}
