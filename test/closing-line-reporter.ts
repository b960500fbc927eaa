import type { Reporter, TestModule } from 'vitest/node'

/** Ends a test run with the plain line `N passed, N failed`, for people and for CI. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0
    let failed = unhandledErrors.length
    for (const module of modules) {
      if (module.errors().length > 0) failed += 1
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        else if (state === 'failed') failed += 1
      }
    }
    // After the default reporter's summary, which it prints in the same event.
    process.on('exit', () => console.log(`${passed} passed, ${failed} failed`))
  }
}
