import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { initialPart, takeOut } from '../../src/peft/index.ts'

interface Recorded {
  name: string
  columns: number
  weight: number[]
  pissa: number[]
  olora: number[] | null
}

const fixture = new URL('../fixtures/peft/initial-parts.json', import.meta.url)
const recorded = JSON.parse(readFileSync(fixture, 'utf8')) as Recorded[]

const residual = (init: 'pissa' | 'olora', weight: readonly number[], columns: number, rank = 3) => {
  const values = Float32Array.from(weight)
  takeOut(values, columns, initialPart(init, values, columns, { rank, scaling: 2 }, Math.random))
  return values
}

test.each(recorded)('what PiSSA and OLoRA leave of a matrix: $name', ({ columns, weight, ...golden }) => {
  const largest = Math.max(...weight.map(Math.abs))
  for (const init of ['pissa', 'olora'] as const) {
    const own = residual(init, weight, columns)
    // Rounding to float32 is all that is lost.
    golden[init]?.forEach((value, i) => expect(Math.abs(own[i] - value)).toBeLessThan(4e-7 * largest))
  }
})

test('nothing is left where the rank is the whole', () => {
  const [{ weight, columns }] = recorded
  for (const rank of [9, 99])
    expect(Math.max(...residual('pissa', weight, columns, rank).map(Math.abs))).toBeLessThan(1e-6)
})

test('of zeros nothing is taken', () => {
  expect(residual('pissa', Array(12).fill(0), 4)).toEqual(new Float32Array(12))
  expect(residual('olora', Array(12).fill(0), 4)).toEqual(new Float32Array(12))
})
