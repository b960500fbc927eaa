import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', './test/closing-line-reporter.ts'],
    testTimeout: 60_000,
    // Two cores: the native engine uses both, so test files that compute take turns.
    maxWorkers: 2,
  },
})
