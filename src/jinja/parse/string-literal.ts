const simpleEscapes: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

const escape = /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g

/**
 * The text of a Python string literal's inside, as the codec `unicode-escape` reads it: an unknown escape
 * keeps its backslash. `undefined` where Python raises (`\x` without two digits, `\N{…}`, which needs Unicode's names).
 */
export function decodePythonString(inside: string): string | undefined {
  if (!inside.includes('\\')) return inside
  let broken = false
  const decoded = inside.replace(
    escape,
    (whole: string, octal?: string, x?: string, u?: string, long?: string, other?: string) => {
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
      const hex = x ?? u ?? long
      if (hex !== undefined) {
        const code = Number.parseInt(hex, 16)
        if (code <= 0x10ffff) return String.fromCodePoint(code)
        broken = true
        return ''
      }
      const simple = simpleEscapes[other ?? '']
      if (simple !== undefined) return simple
      if (other === 'x' || other === 'u' || other === 'U' || other === 'N') broken = true
      return whole
    },
  )
  return broken ? undefined : decoded
}
