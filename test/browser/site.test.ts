// The page of site/ as npm run site makes it, which counts its script and fails where it is too large.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'fettle-site-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('the page is built, and has no more script than it may', () => {
  const tsdown = join(root, 'node_modules', 'tsdown', 'dist', 'run.mjs')
  const said = execFileSync(
    process.execPath,
    [tsdown, '-c', 'site/tsdown.config.mjs', '--out-dir', folder, '--logLevel', 'warn'],
    { cwd: root, encoding: 'utf8' },
  )
  expect(said).toMatch(/^script: \d+\.\d kB compressed, in \d+ files$/m)
  const names = [
    'app.js',
    'computing.js',
    'engine.wasm',
    'index.html',
    'style.css',
    'tiny-llama',
    'worker.js',
  ]
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(names))
})
