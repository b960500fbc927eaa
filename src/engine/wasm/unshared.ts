/**
 * Makes it a module with memory of its own: of the memory that it imports the flag that says "shared" is cleared. The instructions for
 * threads are valid without it. Format: https://webassembly.github.io/threads/core/binary/types.html#limits
 *
 * @throws Error for bytes that are no module with shared memory
 */
export function clearShared(bytes: Uint8Array): void {
  let at = 8
  const number = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at]
      at += 1
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const [importSection, memory, shared] = [2, 2, 3]
  while (at < bytes.length) {
    const section = number()
    const end = number() + at
    if (section !== importSection) {
      at = end
      continue
    }
    for (let left = number(); left > 0; left -= 1) {
      for (let name = 0; name < 2; name += 1) {
        const length = number()
        at += length
      }
      const kind = bytes[at]
      at += 1
      if (kind === memory && bytes[at] === shared) {
        bytes[at] = 1
        return
      }
      // Functions are the numbers of their types.
      if (kind !== 0) break
      number()
    }
    break
  }
  throw new Error('a module without shared memory')
}
