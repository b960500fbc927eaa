import type { LengthCounts } from '../../data/index.ts'
import { count } from '../terminal/numbers.ts'
import { visibleLength } from '../terminal/paint.ts'
import type { Terminal } from '../terminal/terminal.ts'

/** Lengths from one to another, and how many there are. */
export interface Bin {
  from: number
  /** The longest of it; absent where it has no end. */
  to?: number
  count: number
}

const mostBins = 12
const eighths = ' ▏▎▍▌▋▊▉'

/** Lengths in steps of a power of two, up to the one that 99% do not exceed; the last bin has all that are longer. */
export function binsOf(lengths: LengthCounts): Bin[] {
  if (lengths.count === 0) return []
  const high = lengths.quantile(0.99)
  const span = high - lengths.min + 1
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(span / (mostBins - 2))))
  const bins: Bin[] = []
  let from = Math.floor(lengths.min / step) * step
  for (; from <= high; from += step)
    bins.push({ from, to: from + step - 1, count: lengths.between(from, from + step) })
  const rest = lengths.count - bins.reduce((sum, bin) => sum + bin.count, 0)
  return rest > 0 ? [...bins, { from, count: rest }] : bins
}

/** A line a bin: its lengths, a bar, how many there are; within the terminal's width, from some 30 columns on. */
export function drawHistogram(bins: readonly Bin[], { width, paint, interactive }: Terminal): string[] {
  const labels = bins.map(({ from, to }) =>
    to === undefined ? `≥ ${count(from)}` : from === to ? count(from) : `${count(from)}–${count(to)}`,
  )
  const counts = bins.map((bin) => count(bin.count))
  const longest = (texts: readonly string[]) => Math.max(0, ...texts.map(visibleLength))
  const [labelWidth, countWidth] = [longest(labels), longest(counts)]
  const room = Math.max(4, Math.min(50, width - labelWidth - countWidth - 5))
  const most = Math.max(1, ...bins.map((bin) => bin.count))
  return bins.map((bin, i) => {
    const bar = barOf((bin.count / most) * room, interactive)
    return `  ${labels[i].padStart(labelWidth)} ${paint.cyan(bar)}${bar === '' ? '' : ' '}${counts[i]}`
  })
}

/** A bar of so many columns; something is seen of all but nothing. Of plain characters where nobody looks at it. */
function barOf(columns: number, interactive: boolean): string {
  if (columns === 0) return ''
  if (!interactive) return '#'.repeat(Math.max(1, Math.round(columns)))
  const parts = Math.max(1, Math.round(columns * 8))
  return '█'.repeat(Math.floor(parts / 8)) + (parts % 8 === 0 ? '' : eighths[parts % 8])
}
