import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take half a minute or more begin first: one that began last would leave a core idle. */
const longest = ['native.ops', 'fuzz', 'build-native', 'config-cases', 'budget', 'train-state']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) =>
      longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`)) >>> 0
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', './test/closing-line-reporter.ts'],
    testTimeout: 60_000,
    // Tests prepare what they train on; those of the cache have folders of their own.
    env: { FETTLE_CACHE: 'off' },
    // Two cores: the native engine uses both, so test files that compute take turns.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
})
