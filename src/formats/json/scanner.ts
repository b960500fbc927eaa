const quote = 0x22
const backslash = 0x5c
const comma = 0x2c

/** Finds in the bytes of JSON values where they begin and end, without reading them. */
export interface ValueScanner {
  /**
   * Offsets in these bytes of the brackets that open and close a value outside of any other, and of the commas inside of
   * one such value alone. The next bytes go on where these end.
   */
  push(bytes: Uint8Array): number[]
  /** Whether a value is not closed yet. */
  readonly isOpen: boolean
}

/** A scanner before the first byte. */
export function createValueScanner(): ValueScanner {
  let depth = 0
  let isInText = false
  let isEscaped = false

  /** Where a text ends that goes on at an offset: behind its quote, or at the end of the bytes. */
  function skipText(bytes: Uint8Array, from: number): number {
    let at = from
    if (isEscaped && at < bytes.length) {
      isEscaped = false
      at += 1
    }
    for (; at < bytes.length; at += 1) {
      const byte = bytes[at]
      if (byte === quote) {
        isInText = false
        return at + 1
      }
      if (byte === backslash) at += 1
    }
    // The bytes end behind a backslash.
    isEscaped = at > bytes.length
    return bytes.length
  }

  return {
    push(bytes) {
      const borders: number[] = []
      let at = isInText ? skipText(bytes, 0) : 0
      while (at < bytes.length) {
        const byte = bytes[at]
        if (byte === quote) {
          isInText = true
          at = skipText(bytes, at + 1)
          continue
        }
        if (isOpening(byte)) {
          if (depth === 0) borders.push(at)
          depth += 1
        } else if (isClosing(byte)) {
          // One too many is the reader's to report.
          depth = Math.max(0, depth - 1)
          if (depth === 0) borders.push(at)
        } else if (byte === comma && depth === 1) borders.push(at)
        at += 1
      }
      return borders
    },
    get isOpen() {
      return depth > 0 || isInText
    },
  }
}

/** [ or { */
export function isOpening(byte: number): boolean {
  return byte === 0x5b || byte === 0x7b
}

function isClosing(byte: number): boolean {
  return byte === 0x5d || byte === 0x7d
}

/** White space of JSON. */
export function isSpace(byte: number): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9
}
