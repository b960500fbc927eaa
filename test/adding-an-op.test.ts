import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import ts from 'typescript'
import { act, op } from '../src/engine/op-entry.ts'

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'adding-an-op.md'), 'utf8')
const [entry, kernel] = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code)

it('the entry and the kernel of docs/adding-an-op.md work as they stand there', async () => {
  const table = new Function('op', 'act', `return {${entry}}`)(op, act)
  expect(table.softCap).toMatchObject({ inputNames: ['x'], outputNames: ['y'], attributeNames: ['cap'] })
  const { outputText } = ts.transpileModule(kernel, {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  })
  const { softCap } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`)
  const capped = (x: number) => {
    const y = { data: new Float64Array(1) }
    softCap.forward({ x: { data: [x] } }, { y }, { cap: 3 })
    return y.data[0]
  }
  expect(capped(100)).toBe(3)
  for (const x of [-5, -0.5, 0, 2]) {
    const dx = { data: Float64Array.of(1) }
    softCap.vjp({ y: { data: [capped(x)] } }, { y: { data: [0.5] } }, { x: dx }, { cap: 3 })
    const slope = (capped(x + 1e-4) - capped(x - 1e-4)) / 2e-4
    expect(dx.data[0]).toBeCloseTo(1 + 0.5 * slope, 6)
  }
})
