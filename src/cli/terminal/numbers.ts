const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `61,240` */
export function count(value: number): string {
  return grouped.format(value)
}

/** `2.6 M`, `135 M`, `620 k` */
export function short(value: number): string {
  const [scaled, unit] =
    value >= 1e9
      ? [value / 1e9, ' B']
      : value >= 1e6
        ? [value / 1e6, ' M']
        : value >= 1e4
          ? [value / 1e3, ' k']
          : [value, '']
  return `${scaled >= 100 || unit === '' ? count(scaled) : scaled.toFixed(1)}${unit}`
}

/** `99.1%` */
export function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)}%`
}

/** `12 s`, `3 min 20 s`, `1 h 05 min` */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}
