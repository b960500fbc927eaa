import { expect, test, vi } from 'vitest'
import { endSignals, untilInterrupted } from '../../src/cli/terminal/interruptible.ts'

test.each(endSignals)('%s ends work, once, and nothing is heard afterwards', async (name) => {
  const before = process.listenerCount(name)
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const result = untilInterrupted('nothing was written', async (signal) => {
    process.emit(name, name)
    // A second signal of any name finds nobody who hears it, and ends the process.
    for (const other of endSignals) expect(process.listenerCount(other)).toBe(before)
    signal.throwIfAborted()
    return 'done'
  })
  expect(await result).toBeUndefined()
  expect(write).toHaveBeenCalledWith('Stopped: nothing was written.\n')
  write.mockRestore()
  expect(process.listenerCount(name)).toBe(before)
})

test('work that nothing ends gives what it found', async () => {
  expect(await untilInterrupted('nothing was written', async () => 'done')).toBe('done')
})
