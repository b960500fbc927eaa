import { Fault } from '../fault.ts'
import { spendCharacters } from '../meter.ts'
import { codePointLength, concatTexts, plain, sliceText, type Str } from './text.ts'

/** Fills up to a width on one or both sides; `side` is where the text stands. */
export function pad(self: Str, width: number, filler: string, side: 'left' | 'right' | 'center'): Str {
  if (codePointLength(filler) !== 1)
    throw new Fault('TypeError', 'The fill character must be exactly one character long')
  const missing = width - codePointLength(plain(self))
  if (missing <= 0) return self
  spendCharacters(missing * filler.length)
  // CPython's own rule for the odd character.
  const left = side === 'left' ? 0 : side === 'right' ? missing : (missing >> 1) + (missing & width & 1)
  return concatTexts([filler.repeat(left), self, filler.repeat(missing - left)])
}

/** Python's zfill: zeros behind the sign. */
export function zeroFill(self: Str, width: number): Str {
  const missing = width - codePointLength(plain(self))
  if (missing <= 0) return self
  spendCharacters(missing)
  const signLength = /^[+-]/.test(plain(self)) ? 1 : 0
  return concatTexts([
    sliceText(self, 0, signLength),
    '0'.repeat(missing),
    sliceText(self, signLength, plain(self).length),
  ])
}
