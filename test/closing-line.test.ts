import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'fettle-closing-line-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))

const files = {
  passes:
    "import { describe, it } from 'vitest'\ndescribe('reference engine', () => it('is there', () => {}))",
  fails: "import { it } from 'vitest'\nit('fails', () => { throw new Error('no') })",
  doesNotLoad: "import './nothing.ts'",
  hasNoTests: 'export {}',
  isSkipped: "import { it } from 'vitest'\nit.skip('is left out', () => {})",
  crashes:
    "import { it } from 'vitest'\nit('ends its process', () => { process.kill(process.pid, 'SIGKILL') })",
}

/** A test run over files of the table, with this project's reporter. */
function run(...names: (keyof typeof files)[]) {
  const tests = names.map((name) => {
    writeFileSync(join(folder, `${name}.test.ts`), files[name])
    return `${name}.test.ts`
  })
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const reporter = join(root, 'test', 'closing-line-reporter.ts')
  const { status, stdout } = spawnSync(
    process.execPath,
    [vitest, 'run', '--root', folder, '--reporter=default', `--reporter=${reporter}`, ...tests],
    { encoding: 'utf8' },
  )
  const [engines, closing] = stdout.trimEnd().split('\n').slice(-2)
  return { passes: status === 0, engines, closing }
}

it('ends with the engines that were tested and the closing line', () => {
  const { passes, engines, closing } = run('passes')
  expect(engines).toMatch(/^Engines tested: reference \(1 tests\)/)
  expect(closing).toBe('1 passed, 0 failed')
  expect(passes).toBe(true)
})

it.each([
  [['passes', 'fails'], '1 passed, 1 failed'],
  [['passes', 'doesNotLoad'], '1 passed, 1 failed'],
  [['passes', 'hasNoTests'], '1 passed, 1 failed'],
  [['passes', 'crashes'], '1 passed, 1 failed'],
  [['isSkipped'], '0 passed, 0 failed'],
] as const)('%j: no pass', (names, expected) => {
  const { passes, closing } = run(...names)
  expect(closing).toBe(expected)
  expect(passes).toBe(false)
})
