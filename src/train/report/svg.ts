import type { Chart, Point } from './curves.ts'
import { escapeHtml, shortNumber } from './text.ts'

const [width, height] = [460, 240]
const margin = { left: 58, right: 12, top: 12, bottom: 28 }
/** Curves that have a colour of their own; style.ts has these. */
const colours = 8

/** A chart as SVG, whose colours are those of the page. */
export function chartSvg({ title, curves }: Chart): string {
  const points = curves.flatMap((curve) => curve.points)
  const x = scale(
    points.map(([step]) => step),
    [margin.left, width - margin.right],
  )
  const y = scale(
    points.map(([, value]) => value),
    [height - margin.bottom, margin.top],
  )
  const across = x.ticks.map(
    (tick) =>
      `<text class="tick" x="${n(x.at(tick))}" y="${height - 8}" text-anchor="middle">${shortNumber(tick)}</text>`,
  )
  const up = y.ticks.map(
    (tick) =>
      `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${n(y.at(tick))}" y2="${n(y.at(tick))}"/>` +
      `<text class="tick" x="${margin.left - 6}" y="${n(y.at(tick) + 4)}" text-anchor="end">${shortNumber(tick)}</text>`,
  )
  const lines = curves.map(({ run, label, points: all, isDashed }) => {
    const classes = `curve c${run % colours}${isDashed === true ? ' dashed' : ''}`
    const last = all.at(-1)
    const name = `<title>${escapeHtml(label)}${last ? `: ${shortNumber(last[1])} after step ${shortNumber(last[0])}` : ''}</title>`
    if (all.length === 1)
      return `<circle class="${classes} dot" cx="${n(x.at(all[0][0]))}" cy="${n(y.at(all[0][1]))}" r="3">${name}</circle>`
    return `<path class="${classes}" d="${pathOf(all, x.at, y.at)}">${name}</path>`
  })
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)} by step">${[...up, ...across, ...lines].join('')}</svg>`
}

function pathOf(points: readonly Point[], x: (step: number) => number, y: (value: number) => number): string {
  return points.map(([step, value], i) => `${i === 0 ? 'M' : 'L'}${n(x(step))} ${n(y(value))}`).join('')
}

/** Bars, each with its label below and its number above. */
export function barsSvg(title: string, bars: readonly { label: string; count: number }[]): string {
  const most = Math.max(1, ...bars.map(({ count }) => count))
  const step = (width - margin.left - margin.right) / bars.length
  const drawn = bars.map(({ label, count }, i) => {
    const tall = ((height - margin.top - margin.bottom - 14) * count) / most
    const left = margin.left + i * step
    return (
      `<rect class="bar" x="${n(left + 2)}" y="${n(height - margin.bottom - tall)}" width="${n(step - 4)}" height="${n(tall)}"><title>${escapeHtml(label)}: ${count}</title></rect>` +
      `<text class="tick" x="${n(left + step / 2)}" y="${n(height - margin.bottom - tall - 4)}" text-anchor="middle">${shortNumber(count)}</text>` +
      `<text class="tick" x="${n(left + step / 2)}" y="${height - 8}" text-anchor="middle">${escapeHtml(label)}</text>`
    )
  })
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">${drawn.join('')}</svg>`
}

/** Where numbers lie between two places, and round ones among them. */
function scale(values: readonly number[], [from, to]: readonly [number, number]) {
  const lowest = values.reduce((least, value) => Math.min(least, value), Infinity)
  const highest = values.reduce((most, value) => Math.max(most, value), -Infinity)
  const flat = highest - lowest <= Math.abs(highest) * 1e-9
  const [low, high] = flat
    ? [lowest - (Math.abs(lowest) || 1) / 2, highest + (Math.abs(highest) || 1) / 2]
    : [lowest, highest]
  return {
    at: (value: number) => from + ((value - low) / (high - low)) * (to - from),
    ticks: ticksOf(low, high),
  }
}

/** Some four round numbers. */
function ticksOf(low: number, high: number): number[] {
  const rough = (high - low) / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const size = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? rough
  const first = Math.ceil(low / size)
  return Array.from({ length: Math.floor(high / size) - first + 1 }, (_, i) => (first + i) * size)
}

/** A place of the drawing, to a tenth. */
function n(value: number): string {
  return String(Math.round(value * 10) / 10)
}
