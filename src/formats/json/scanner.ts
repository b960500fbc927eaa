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
  return {
    push(bytes) {
      const borders: number[] = []
      for (let at = 0; at < bytes.length; at += 1) {
        const byte = bytes[at]
        if (isInText) {
          if (isEscaped) isEscaped = false
          else if (byte === backslash) isEscaped = true
          else if (byte === quote) isInText = false
        } else if (byte === quote) isInText = true
        else if (isOpening(byte)) {
          if (depth === 0) borders.push(at)
          depth += 1
        } else if (isClosing(byte)) {
          // One too many is the reader's to report.
          depth = Math.max(0, depth - 1)
          if (depth === 0) borders.push(at)
        } else if (byte === comma && depth === 1) borders.push(at)
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
