import { shortNumber, type Point } from '../../train/report/index.ts'

/** A character of braille has two dots across and four up: the bits of each. */
const dots = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const
const braille = 0x2800

/**
 * Curves as lines of text, with numbers at their left and steps below.
 *
 * @param width  columns in all
 * @param rows   lines of the curves; one more is below
 * @param paint  gives a character the look of its curve
 */
export function brailleCurves(
  curves: readonly (readonly Point[])[],
  width: number,
  rows: number,
  paint: (text: string, curve: number) => string,
): string[] {
  const points = curves.flat()
  const steps = points.map(([step]) => step)
  const values = points.map(([, value]) => value)
  const [first, last] = rangeOf(steps)
  const [low, high] = rangeOf(values)
  const labels = Array.from({ length: rows }, (_, row) => {
    const isShown = row === 0 || row === rows - 1 || row === Math.floor(rows / 2)
    return isShown ? shortNumber(high - ((high - low) * row) / (rows - 1)) : ''
  })
  const labelWidth = Math.max(...labels.map((label) => label.length))
  const columns = width - labelWidth - 2
  const cells = Array.from({ length: rows }, () =>
    Array.from({ length: columns }, () => ({ bits: 0, curve: 0 })),
  )
  const set = (x: number, y: number, curve: number): void => {
    const cell = cells[rows - 1 - Math.floor(y / 4)]?.[Math.floor(x / 2)]
    if (cell === undefined) return
    cell.bits |= dots[x % 2 === 0 ? 0 : 1][3 - (y % 4)]
    cell.curve = curve
  }
  const placeOf = ([step, value]: Point): [x: number, y: number] => [
    Math.round(share(step, first, last) * (2 * columns - 1)),
    Math.round(share(value, low, high) * (4 * rows - 1)),
  ]
  for (const [curve, all] of curves.entries()) {
    let before: [number, number] | undefined
    for (const point of all) {
      const at = placeOf(point)
      line(before ?? at, at, (x, y) => set(x, y, curve))
      before = at
    }
  }
  const drawn = cells.map((row, i) => {
    const text = row.map(({ bits, curve }) =>
      bits === 0 ? ' ' : paint(String.fromCodePoint(braille + bits), curve),
    )
    return `${labels[i].padStart(labelWidth)} ┤${text.join('').trimEnd()}`
  })
  const [from, to] = [shortNumber(first), shortNumber(last)]
  return [...drawn, `${' '.repeat(labelWidth + 2)}${from}${to.padStart(columns - from.length)}`]
}

/** 0 to 1; the middle where there is no range. */
function share(value: number, low: number, high: number): number {
  return high > low ? (value - low) / (high - low) : 0.5
}

function rangeOf(values: readonly number[]): [low: number, high: number] {
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  )
}

/** Every dot between two. */
function line(
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
  set: (x: number, y: number) => void,
): void {
  const count = Math.max(1, Math.abs(x1 - x0), Math.abs(y1 - y0))
  for (let i = 0; i <= count; i += 1)
    set(Math.round(x0 + ((x1 - x0) * i) / count), Math.round(y0 + ((y1 - y0) * i) / count))
}
