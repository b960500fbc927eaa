import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8')

it('docs/adding-a-model.md shows the family and the list of families as they are', () => {
  const doc = read('docs', 'adding-a-model.md')
  const [family, list] = [...doc.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code)
  expect(family).toBe(read('src', 'model', 'families', 'smollm3.ts'))
  expect(read('src', 'model', 'families', 'index.ts')).toContain(list)
})

it('the files that docs/adding-a-model.md leads to are there', () => {
  const links = [...read('docs', 'adding-a-model.md').matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link)
  expect(links.length).toBeGreaterThan(8)
  for (const link of links) expect(existsSync(join(root, 'docs', link)), link).toBe(true)
})
