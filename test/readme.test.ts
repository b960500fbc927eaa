import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test, vi } from 'vitest'

const root = join(import.meta.dirname, '..')
let folder = ''
afterAll(async () => {
  if (folder !== '') await rm(folder, { recursive: true })
})

test('the TypeScript of README.md runs as it stands there', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readme) ?? []
  expect(code).toContain("from 'fettle'")
  folder = await mkdtemp(join(root, 'build', 'readme-'))
  const runnable = code
    .replace("'fettle'", JSON.stringify(join(root, 'src', 'index.ts')))
    .replaceAll("'runs/readme'", JSON.stringify(join(folder, 'run')))
    .replaceAll("'assets/", `'${root}/assets/`)
  const file = join(folder, 'example.ts')
  await writeFile(file, runnable)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  await import(/* @vite-ignore */ pathToFileURL(file).href)
  const printed = log.mock.calls
  log.mockRestore()
  expect(printed).toHaveLength(101)
  expect(printed[99][1]).toBeLessThan(printed[0][1])
  expect(printed[100][0]).toMatch(/^They .+\.$/)
  for (const name of [
    'adapter_model.safetensors',
    'adapter_config.json',
    'tokenizer.json',
    'chat_template.jinja',
    'generation_config.json',
  ])
    expect((await readFile(join(folder, 'run', name))).length).toBeGreaterThan(0)
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
