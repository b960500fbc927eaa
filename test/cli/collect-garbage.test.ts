import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { collectGarbage } from '../../src/cli/collect-garbage.ts'

test('what nobody holds is gone afterwards', async () => {
  const dropped = new WeakRef({ large: new Float64Array(1000) })
  // A reference that was just made is held to the end of its job.
  await setTimeout(0)
  expect(dropped.deref()).toBeDefined()
  await setTimeout(0)
  collectGarbage()
  expect(dropped.deref()).toBeUndefined()
})
