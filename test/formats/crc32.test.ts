import { expect, test } from 'vitest'
import { crc32, tableCrc32 } from '../../src/formats/crc32.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

test.each([crc32, tableCrc32])('%o is the checksum of ISO 3309, in one go and in parts', (checksum) => {
  expect(checksum(bytes(''))).toBe(0)
  expect(checksum(bytes('123456789'))).toBe(0xcbf43926)
  expect(checksum(bytes('6789'), checksum(bytes('12345')))).toBe(0xcbf43926)
})
