import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createEngine, engineNames, engineProblem } from '../../src/engine/index.ts'
import { multiplierBeside } from '../../src/model/adapters/initial/matrix-products.ts'
import { incrementalPca } from '../../src/peft/index.ts'

/** See test/peft/record_pca.py. */
const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'peft', 'pca.json'), 'utf8'),
) as {
  rows: number[]
  columns: number
  count: number
  vectors: number[][]
  singularValues: number[]
  ratios: number[]
}

function batch(n: number, size: number): Float32Array {
  const { columns } = recorded
  return Float32Array.from({ length: size * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns) + 1000 * n, at % columns]
    let x = 0.3 * Math.cos(0.01 * j)
    for (let k = 0; k < 12; k += 1)
      x += (3 / (1 + k) ** 1.5) * Math.sin(1.7 * (k + 1) * i + k) * Math.cos(0.23 * (k + 1) * j + 0.5 * k)
    return x
  })
}

it.each(engineNames)(
  'directions that EVA finds batch by batch are those of PEFT, beside the %s engine',
  async (name) => {
    if ((await engineProblem(name)) !== undefined) return
    const engine = await createEngine({ engine: name, threads: 2 })
    const { multiply, close } = await multiplierBeside(engine)
    const pca = incrementalPca(recorded.columns, recorded.count, multiply)
    for (const [n, size] of recorded.rows.entries()) await pca.add(batch(n, size))
    const { vectors, singularValues, ratios } = pca.components ?? expect.fail('no batch was added')
    recorded.vectors.forEach((vector, k) => {
      expect(Math.abs(singularValues[k] / recorded.singularValues[k] - 1)).toBeLessThan(1e-4)
      expect(Math.abs(ratios[k] / recorded.ratios[k] - 1)).toBeLessThan(2e-4)
      const cosine = vector.reduce((sum, value, i) => sum + value * vectors[k * recorded.columns + i], 0)
      expect(cosine, `direction ${k}`).toBeGreaterThan(1 - 1e-5)
    })
    close()
    engine.close()
  },
)
