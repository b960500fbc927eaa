import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { nativeIsas, nativeProblem } from '../src/engine/native/index.ts'

/**
 * Ends a test run with which engines were tested, and the plain line `N passed, N failed`, for people and for CI. A run in which
 * nothing passed fails, and so does a file that does not load.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tested = new Map<string, number>()
    let passed = 0
    let failed = unhandledErrors.length
    for (const module of modules) {
      if (module.errors().length > 0) failed += 1
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'failed') failed += 1
        if (state !== 'passed') continue
        passed += 1
        const engine = engineOf(test, module)
        if (engine) tested.set(engine, (tested.get(engine) ?? 0) + 1)
      }
    }
    // After the default reporter's summary, which it prints in the same event.
    process.on('exit', () => {
      if (passed === 0 || failed > 0) process.exitCode ||= 1
      console.log(enginesLine(tested))
      console.log(`${passed} passed, ${failed} failed`)
    })
  }
}

/** The engine that a test names in its file or suites: an instruction set, `native` for the fastest, `wasm`, or `reference`. */
function engineOf({ parent }: TestCase, { moduleId }: TestModule): string | undefined {
  const words = moduleId.slice(moduleId.lastIndexOf('/') + 1).split('.')
  for (let suite = parent; suite.type === 'suite'; suite = suite.parent)
    words.push(...suite.name.split(/\W+/))
  if (words.includes('wasm')) return 'wasm'
  const isas = nativeIsas()
  const isa = isas.find((name) => words.includes(name))
  if (isa) return `native ${isa}`
  if (words.includes('reference')) return 'reference'
  return words.includes('native') && isas.length > 0
    ? `native ${process.env['FETTLE_ISA'] ?? isas[0]}`
    : undefined
}

function enginesLine(tested: ReadonlyMap<string, number>): string {
  const names = ['reference', ...nativeIsas().map((isa) => `native ${isa}`), 'wasm'].filter((name) =>
    tested.has(name),
  )
  const found = names.map((name) => `${name} (${tested.get(name)} tests)`).join(', ')
  const problem = nativeProblem()
  return `Engines tested: ${found || 'none'}${problem === undefined ? '' : `. Not native: ${problem}`}`
}
