// What an addon's file says of itself: processor, libraries that it wants, and Apple's signature, without the system that it is for.
// Sources: ELF-64 (System V ABI), Mach-O (loader.h and cs_blobs.h of Apple's xnu), PE32+ (Microsoft's PE format).
import { createHash } from 'node:crypto'

export interface AddonFormat {
  format: 'elf' | 'mach-o' | 'pe'
  processor: string
  /** Libraries by the names that it asks the system for. */
  needs: string[]
  /** The newest symbol version of glibc that it needs: `2.16`. */
  glibc?: string
  /** Of Mach-O: `ad hoc, 911 pages` when each page has the hash that the signature gives, what is wrong, or `none`. */
  signature?: string
}

/** @throws Error for a file that is none of the three */
export function readAddonFormat(file: Buffer): AddonFormat {
  if (file.readUInt32BE(0) === 0x7f454c46) return readElf(file)
  if (file.readUInt32LE(0) === 0xfeedfacf) return readMachO(file)
  if (file.toString('latin1', 0, 2) === 'MZ') return readPe(file)
  throw new Error('neither ELF nor Mach-O nor PE')
}

const nameOf = (names: Readonly<Record<number, string>>, code: number): string =>
  names[code] ?? `0x${code.toString(16)}`

const textAt = (file: Buffer, at: number): string => file.toString('latin1', at, file.indexOf(0, at))

function readElf(file: Buffer): AddonFormat {
  const whole = (at: number): number => Number(file.readBigUInt64LE(at))
  const segments = Array.from({ length: file.readUInt16LE(56) }, (_, i) => {
    const at = whole(32) + i * file.readUInt16LE(54)
    return {
      type: file.readUInt32LE(at),
      offset: whole(at + 8),
      address: whole(at + 16),
      size: whole(at + 32),
    }
  })
  const offsetOf = (address: number): number => {
    const segment = segments.find(
      ({ type, address: from, size }) => type === 1 && address >= from && address < from + size,
    )
    if (segment === undefined) throw new Error(`ELF: nothing at ${address}`)
    return address - segment.address + segment.offset
  }
  const dynamic = segments.find(({ type }) => type === 2)
  if (dynamic === undefined) throw new Error('ELF: no dynamic section')
  const entries = Array.from({ length: dynamic.size / 16 }, (_, i) => ({
    tag: whole(dynamic.offset + i * 16),
    value: whole(dynamic.offset + i * 16 + 8),
  }))
  const strings = offsetOf(entries.find(({ tag }) => tag === 5)?.value ?? 0)
  const versions = [...file.toString('latin1').matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor))
  return {
    format: 'elf',
    processor: nameOf({ 62: 'x64', 183: 'arm64' }, file.readUInt16LE(18)),
    needs: entries.filter(({ tag }) => tag === 1).map(({ value }) => textAt(file, strings + value)),
    ...(versions.length > 0 && { glibc: `2.${Math.max(...versions)}` }),
  }
}

function readMachO(file: Buffer): AddonFormat {
  const needs: string[] = []
  let signature = 'none'
  let at = 32
  for (let i = 0; i < file.readUInt32LE(16); i += 1) {
    const command = file.readUInt32LE(at)
    if (command === 0xc) needs.push(textAt(file, at + file.readUInt32LE(at + 8)))
    if (command === 0x1d) signature = readSignature(file, file.readUInt32LE(at + 8))
    at += file.readUInt32LE(at + 4)
  }
  const processor = nameOf({ 0x01000007: 'x64', 0x0100000c: 'arm64' }, file.readUInt32LE(4))
  return { format: 'mach-o', processor, needs, signature }
}

/** Holds each page against its hash, as the system does when it maps the file. */
function readSignature(file: Buffer, at: number): string {
  const blobs = Array.from(
    { length: file.readUInt32BE(at + 8) },
    (_, i) => at + file.readUInt32BE(at + 16 + i * 8),
  )
  const directory = blobs.find((blob) => file.readUInt32BE(blob) === 0xfade0c02)
  if (directory === undefined) return 'no code directory'
  const hashes = directory + file.readUInt32BE(directory + 16)
  const count = file.readUInt32BE(directory + 28)
  const limit = file.readUInt32BE(directory + 32)
  const size = 2 ** file[directory + 39]
  if (file[directory + 37] !== 2 || count !== Math.ceil(limit / size))
    return 'a code directory of another kind'
  for (let page = 0; page < count; page += 1) {
    const bytes = file.subarray(page * size, Math.min((page + 1) * size, limit))
    const hash = createHash('sha256').update(bytes).digest()
    if (!hash.equals(file.subarray(hashes + page * 32, hashes + (page + 1) * 32)))
      return `page ${page} has another hash`
  }
  const isAdHoc = (file.readUInt32BE(directory + 12) & 2) !== 0
  return `${isAdHoc ? 'ad hoc' : 'by a certificate'}, ${count} pages`
}

function readPe(file: Buffer): AddonFormat {
  const header = file.readUInt32LE(0x3c) + 4
  const optional = header + 20
  const sections = Array.from({ length: file.readUInt16LE(header + 2) }, (_, i) => {
    const at = optional + file.readUInt16LE(header + 16) + i * 40
    return {
      size: file.readUInt32LE(at + 8),
      address: file.readUInt32LE(at + 12),
      offset: file.readUInt32LE(at + 20),
    }
  })
  const offsetOf = (address: number): number => {
    const section = sections.find(({ address: from, size }) => address >= from && address < from + size)
    if (section === undefined) throw new Error(`PE: nothing at ${address}`)
    return address - section.address + section.offset
  }
  const needs: string[] = []
  for (let at = offsetOf(file.readUInt32LE(optional + 120)); file.readUInt32LE(at + 12) !== 0; at += 20)
    needs.push(textAt(file, offsetOf(file.readUInt32LE(at + 12))))
  return {
    format: 'pe',
    processor: nameOf({ 0x8664: 'x64', 0xaa64: 'arm64' }, file.readUInt16LE(header)),
    needs,
  }
}
