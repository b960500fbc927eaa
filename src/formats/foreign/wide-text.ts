import { FettleError } from '../../error.ts'

/** @throws FettleError where the first bytes of a file are UTF-16 or UTF-32 */
export function refuseWideText(bytes: Uint8Array, place: string): void {
  const encoding = wideEncoding(bytes)
  if (encoding === undefined) return
  throw new FettleError({
    place,
    found: encoding.replace(/[BL]E$/, ''),
    expected: 'UTF-8',
    cure: `Convert the file: iconv -f ${encoding} -t UTF-8.`,
  })
}

/** By its byte order mark, which tells a program the order, too, or because the first character, of any alphabet's first 256, has zeros. */
function wideEncoding(bytes: Uint8Array): string | undefined {
  const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (/^(?:fffe0000|0000feff)/.test(start)) return 'UTF-32'
  if (/^(?:fffe|feff)/.test(start)) return 'UTF-16'
  if (/^(?!00)..000000/.test(start)) return 'UTF-32LE'
  if (/^000000(?!00)../.test(start)) return 'UTF-32BE'
  if (/^(?!00)..00/.test(start)) return 'UTF-16LE'
  if (/^00(?!00)../.test(start)) return 'UTF-16BE'
  return undefined
}
