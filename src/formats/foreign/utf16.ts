import { FettleError } from '../../error.ts'

/** @throws FettleError where the first bytes of a file are UTF-16 */
export function refuseUtf16(bytes: Uint8Array, place: string): void {
  if (!isUtf16(bytes)) return
  throw new FettleError({
    place,
    found: 'UTF-16',
    expected: 'UTF-8',
    cure: 'Convert the file: iconv -f UTF-16 -t UTF-8.',
  })
}

/** By its byte order mark, or, without one, because text of one alphabet has a zero in every other byte. */
function isUtf16(bytes: Uint8Array): boolean {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true
  return bytes.length > 1 && (first === 0) !== (second === 0)
}
