import { checkArgument, checkList, checkObject, isList, isText } from '../../check-argument.ts'
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
  checkIterable(name, ids, 'token ids')
}

/** What can be gone through. */
export function checkIterable(name: string, value: unknown, expected: string): void {
  const isIterable = typeof value === 'object' && value !== null && Symbol.iterator in value
  checkArgument(name, value, isIterable && (!Array.isArray(value) || isList(value)), expected)
}

/** Tokens to add: texts, or objects with `content` and flags. */
export function checkTokens(name: string, tokens: unknown): void {
  checkList(name, tokens, isAddedToken, 'a text, or { content }')
}

function isAddedToken(token: unknown): boolean {
  if (isText(token)) return true
  if (typeof token !== 'object' || token === null || !('content' in token)) return false
  const { content, ...flags } = token
  return (
    isText(content) && Object.values(flags).every((flag) => flag === undefined || typeof flag === 'boolean')
  )
}

/** Whether a value is a text of which parts are learned. */
export function isTextWithSpans(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('text' in value && 'spans' in value)) return false
  return isText(value.text) && isList(value.spans)
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
