import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { blocksOf, root, runCode } from './page-code.ts'

let folder = ''
afterAll(async () => {
  if (folder !== '') await rm(folder, { recursive: true })
})

test('the TypeScript of README.md runs as it stands there', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const [code] = blocksOf(readme, 'ts')
  expect(code).toContain("from 'fettle'")
  folder = await mkdtemp(join(root, 'build', 'readme-'))
  const printed = await runCode(code, folder, 'example')
  expect(printed).toHaveLength(101)
  expect(printed[99][1]).toBeLessThan(Number(printed[0][1]))
  expect(printed[100][0]).toMatch(/^They .+\.$/)
  for (const name of [
    'adapter_model.safetensors',
    'adapter_config.json',
    'tokenizer.json',
    'chat_template.jinja',
    'generation_config.json',
  ])
    expect((await readFile(join(folder, 'readme', name))).length).toBeGreaterThan(0)
})

test.each([
  'FEATURES.md',
  'docs/masks.md',
  'docs/engine.md',
  'docs/architecture.md',
  'docs/browser.md',
  'docs/typescript.md',
])('links of README lead to %s', async (path) => {
  expect(await readFile(join(root, 'README.md'), 'utf8')).toContain(`(${path})`)
  expect((await readFile(join(root, path), 'utf8')).length).toBeGreaterThan(500)
})
