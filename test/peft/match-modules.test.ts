import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loraConfig, matchModules, type LoraConfig } from '../../src/peft/index.ts'

interface Recorded {
  base: string
  options: Record<string, unknown>
  linear: string[]
  tables: string[]
  error: string | null
  matched: Record<string, [rank: number, scaling: number]>
}

const fixture = new URL('../fixtures/peft/matching.json', import.meta.url)
const recorded = JSON.parse(readFileSync(fixture, 'utf8')) as Recorded[]

/** PEFT's options under fettle's names; a list of one may stand without its brackets there. */
function configOf(options: Record<string, unknown>): LoraConfig {
  const lists = new Set(['layersToTransform', 'layersPattern'])
  const fields = Object.entries(options).map(([key, value]) => {
    const name = key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
    return [name, lists.has(name) && !Array.isArray(value) ? [value] : value]
  })
  return loraConfig({ r: 4, loraAlpha: 8, ...(Object.fromEntries(fields) as Partial<LoraConfig>) })
}

/** See record_matching.py. */
test.each(recorded.map((each) => [each.base, JSON.stringify(each.options), each] as const))(
  'modules, ranks and scalings are those of PEFT: %s %s',
  (_, __, { options, linear, tables, error, matched }) => {
    const match = () => matchModules(configOf(options), { linear, tables })
    if (error !== null) return expect(match).toThrow('which matches no linear layer')
    const own = match().map(({ module, rank, scaling }) => [module, [rank, scaling]])
    expect(Object.fromEntries(own)).toEqual(matched)
  },
)

test('a name of lists without numbers of layers says nothing', () => {
  expect(() => loraConfig({ layersPattern: ['layers'] })).toThrow(
    'lora.layers_pattern: ["layers"]; expected layers_to_transform beside it',
  )
})
