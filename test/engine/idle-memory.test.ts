import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createNativeEngine, nativeIsas, returnIdleMemory } from '../../src/engine/native/index.ts'
import type { Command } from '../../src/engine/ops.ts'
import { tensorHandle } from '../../src/engine/tensor.ts'

const smaps = '/proc/self/smaps'

/** Pages of node itself that are in memory, in MiB. */
function residentOfNode(): number {
  const entries = readFileSync(smaps, 'utf8').split(process.execPath).slice(1)
  return entries.reduce((sum, entry) => sum + Number(/^Rss: +(\d+) kB$/m.exec(entry)?.[1]) / 1024, 0)
}

it.skipIf(!existsSync(smaps) || nativeIsas().length === 0)(
  'lets go of what only starting needed when it is told to, and not before: the process may be somebody else’s',
  async () => {
    const before = residentOfNode()
    const engine = createNativeEngine()
    const y = tensorHandle('transient', 'float32', [1000])
    const fill: Command = { op: 'fill', direction: 'forward', inputs: [], outputs: [y], attributes: [3] }
    const program = engine.compile([fill], [y])
    await engine.run(program)
    expect(residentOfNode()).toBeGreaterThan(0.9 * before)
    await returnIdleMemory()
    expect(residentOfNode()).toBeLessThan(0.8 * before)
    expect((await engine.read(y))[999]).toBe(3)
    engine.close()
  },
)
