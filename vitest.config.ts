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

/** Files that measure memory, change the environment or end processes have a process of their own. */
const alone = [
  'test/{bench,cli,engine}/**/*.test.ts',
  'test/jinja/{budget,hostile}.test.ts',
  'test/data/hub.test.ts',
  'test/export/push.test.ts',
  'test/model/{resize-memory,transforms}.test.ts',
  'test/remote/hf-jobs.test.ts',
  'test/train/memory.test.ts',
  'test/doctor/command.test.ts',
  'test/train/runs/run-folder.test.ts',
  'test/*.test.ts',
]

export default defineConfig({
  test: {
    reporters: ['default', './test/closing-line-reporter.ts'],
    testTimeout: 60_000,
    // Tests prepare what they train on; those of the cache have folders of their own.
    env: { FETTLE_CACHE: 'off' },
    // Two cores: the native engine uses both, so test files that compute take turns.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // Of the others each worker loads fettle once, which is a third of their time.
    projects: [
      { extends: true, test: { name: 'alone', include: alone, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
