// Calls that would be right at another moment.
import {
  makeRunner,
  runner,
  encode,
  tensorsOfEmbedding,
  commandsOfEmbedding,
  embedding,
  program,
  refuse,
  float32,
  int32,
} from './setup.mjs'
import { methods } from './entries.mjs'

const zeros = runner.tensor(int32, [3], null)
// Outputs that are not there.
const never = runner.compile(embedding, 128)
refuse('readOutput: a program that never ran', () => runner.readOutput(never, 2))
refuse('readOutput: memory that was given back', async () => {
  await runner.run(program, [])
  runner.readOutput(program, 2)
  runner.release()
  return runner.readOutput(program, 2)
})
refuse('readOutput: another program ran since', async () => {
  await runner.run(program, [])
  await runner.run(never, [])
  return runner.readOutput(program, 2)
})
refuse('readLargest: integers', async () => {
  await runner.run(program, [])
  return runner.readLargest(program, 3, 1)
})
refuse('readOutput: a program that failed', async () => {
  const failing = runner.compile(
    encode(
      [{ handle: runner.tensor(int32, [3], Int32Array.of(0, 9, 0)) }, ...tensorsOfEmbedding.slice(1)],
      commandsOfEmbedding,
    ),
    128,
  )
  await runner.run(failing, []).catch(() => {})
  return runner.readOutput(failing, 2)
})
refuse('repeat: a callback that throws', async () => {
  const starts = runner.tensor(int32, [3], null)
  const repeated = runner.compile(
    encode([{ handle: starts }, ...tensorsOfEmbedding.slice(1)], commandsOfEmbedding),
    128,
  )
  await runner.repeat(repeated, 5, 3, starts, zeros, () => {
    throw new Error('the terminal is gone')
  })
})

// While a program runs: everything that would meet its memory is refused.
const [wide, work] = [runner.tensor(float32, [2048, 512], null), runner.tensor(float32, [512, 512], null)]
const long = runner.compile(
  encode(
    [{ handle: wide }, { handle: work }, { place: 0, shape: [2048, 512] }],
    Array.from({ length: 20 }, () => ({
      op: 'linear',
      inputs: [0, 1],
      outputs: [2],
      attributes: [1, 0, 0, 0, 3, 512, 0, 1],
    })),
  ),
  2048 * 512 * 4,
)
let running
for (const name of [
  'weight',
  'quantised',
  'stream',
  'write',
  'read',
  'readOutput',
  'readLargest',
  'run',
  'finish',
  'repeat',
  'release',
  'close',
  'profile',
])
  refuse(`${name}: while a program runs`, () => {
    running ??= runner.run(long, [])
    return runner[name](...(methods[name]?.good ?? []))
  })
refuse('run: what was free while a program ran', async () => {
  const held = runner.tensor(float32, [1], null)
  runner.free(runner.view(held, 0, [1]))
  runner.free(wide)
  runner.compile(embedding, 128)
  await running
  throw new Error('and it ran to its end')
})

// After the end.
const closed = makeRunner()
closed.compile(encode([{ place: 0, shape: [3] }], [{ op: 'fill', outputs: [0], attributes: [1] }]), 64)
closed.close()
for (const [name, { good }] of Object.entries(methods))
  refuse(`${name}: after close`, () => closed[name](...good))
refuse('close: twice', () => closed.close())
