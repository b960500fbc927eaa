const levels = '▁▂▃▄▅▆▇█'

/** A curve of at most `width` characters: each is the mean of its part of the values, between lowest and highest. */
export function sparkline(values: readonly number[], width: number): string {
  const parts = Math.min(width, values.length)
  const means = Array.from({ length: parts }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / parts),
      Math.floor(((i + 1) * values.length) / parts),
    )
    return part.reduce((sum, value) => sum + value, 0) / part.length
  })
  const lowest = Math.min(...means)
  const range = Math.max(...means) - lowest
  return means
    .map((mean) => levels[range > 0 ? Math.round(((mean - lowest) / range) * (levels.length - 1)) : 3])
    .join('')
}

/** A bar of `width` characters of which `done`, between 0 and 1, is filled. */
export function bar(done: number, width: number): { filled: string; rest: string } {
  const halves = Math.round(Math.min(1, Math.max(0, done)) * width * 2)
  const filled = '━'.repeat(Math.floor(halves / 2)) + (halves % 2 === 1 ? '╸' : '')
  return { filled, rest: '━'.repeat(width - Math.ceil(halves / 2)) }
}
