const units = [
  [1e9, 'GB'],
  [1e6, 'MB'],
  [1e4, 'kB'],
] as const

/** `1.2 GB`, `135 MB`, `512 B` */
export function byteCount(bytes: number): string {
  const [size, unit] = units.find(([least]) => bytes >= least) ?? [1, 'B']
  const scaled = bytes / (unit === 'kB' ? 1e3 : size)
  const text = scaled >= 100 || unit === 'B' ? Math.round(scaled).toLocaleString('en-US') : scaled.toFixed(1)
  return `${text} ${unit}`
}
