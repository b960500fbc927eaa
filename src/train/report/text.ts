/** Text as HTML shows it, whatever it holds: also control and bidirectional characters, which would change what stands around them. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
    .replaceAll(
      /(?![\n\t\u200C\u200D])[\p{Cc}\p{Cf}\u2028\u2029]/gu,
      (c) =>
        `<span class="code">U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}</span>`,
    )
}

/** A number in few characters. */
export function shortNumber(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e9) return `${trimmed(value / 1e9)}G`
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`
  if (size >= 1e4) return `${trimmed(value / 1e3)}k`
  if (size < 1e-3) return value.toExponential(1).replace('.0e', 'e')
  return trimmed(value)
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(4)))
}
