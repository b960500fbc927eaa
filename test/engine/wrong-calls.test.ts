import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Command } from '../../src/engine/ops.ts'
import { infoOf } from '../../src/engine/ops.ts'
import type { Tensor } from '../../src/engine/tensor.ts'
import { tensorHandle } from '../../src/engine/tensor.ts'
import { engines } from './engines.ts'

/** A place that is none, in the integers of an op: [name, op, the integers, what is said]. */
const places = [
  ['an id of no row', 'embedding', 'ids', [0, 5, 1], 'ids[1] is 5; expected 0 to 4'],
  ['a negative id', 'embedding', 'ids', [0, 1, -1], 'ids[2] is -1; expected 0 to 4'],
  ['a row that is not there', 'selectRows', 'rows', [0, 1, 5], 'rows[2] is 5; expected -1 to 4'],
  ['a row below the padding', 'selectRows', 'rows', [0, -2, -1], 'rows[1] is -2; expected -1 to 4'],
  ['a target that is no word', 'targetLogProbs', 'targets', [4, 5, -1], 'targets[1] is 5; expected -1 to 4'],
  ['a position without angles', 'rope', 'positions', [0, 4, 5], 'positions[2] is 5; expected 0 to 4'],
] as const

describe.each(engines)('$name: a wrong call', ({ create }) => {
  const engine = create(2)
  const transient = (shape: number[]) => tensorHandle('transient', 'float32', shape)

  it.each(places)('%s', async (_, op, name, integers, message) => {
    const values = engine.tensor('int32', [3], Int32Array.from(integers))
    const table = engine.tensor('float32', [5, 2])
    const inputs: { [K in typeof op]: Tensor[] } = {
      embedding: [values, table],
      selectRows: [table, values],
      targetLogProbs: [engine.tensor('float32', [3, 2]), table, values],
      rope: [engine.tensor('float32', [3, 4]), values, table, table],
    }
    const y = transient(op === 'targetLogProbs' ? [3] : [3, op === 'rope' ? 4 : 2])
    const attributes = { embedding: [1], selectRows: [], targetLogProbs: [1, 0], rope: [4, 4, 0, 1] }[op]
    expect(infoOf(op).inputNames).toContain(name)
    const command: Command = { op, direction: 'forward', inputs: inputs[op], outputs: [y], attributes }
    await expect(engine.run(engine.compile([command], [y]))).rejects.toThrow(`${op}: ${message}`)
  })

  it('of a shape that is none', () => {
    for (const size of [-1, 1.5, Number.NaN, Infinity]) {
      expect(() => engine.tensor('float32', [2, size])).toThrow(/^tensor: /)
      expect(() => engine.view(engine.tensor('float32', [4]), size, [1])).toThrow(/^view: /)
      expect(() => engine.view(engine.tensor('float32', [4]), 0, [size])).toThrow(/^view: /)
    }
    expect(() => engine.view(engine.tensor('float32', [4]), 2, [3])).toThrow(/^view: /)
  })

  it('of data of another type or too long', () => {
    const tensor = engine.tensor('float32', [2])
    expect(() => engine.write(tensor, Int32Array.of(1))).toThrow(/^write: /)
    expect(() => engine.write(tensor, new Float32Array(3))).toThrow(/^write: /)
  })

  it('of a tensor that was freed', async () => {
    const tensor = engine.tensor('float32', [2])
    engine.free(tensor)
    expect(() => engine.free(tensor)).toThrow(/was freed/)
    expect(() => engine.write(tensor, Float32Array.of(1))).toThrow(/was freed/)
    await expect(async () => engine.read(tensor)).rejects.toThrow(/was freed/)
  })

  it('after the engine was closed', async () => {
    const closing = create(4)
    const threads = threadCount()
    const tensor = closing.tensor('float32', [2 ** 24], new Float32Array(2 ** 24).fill(1))
    const before = residentMib()
    closing.close()
    if (before !== undefined && closing.name === 'native') {
      expect(before - (residentMib() ?? 0)).toBeGreaterThan(60)
      expect((threads ?? 0) - (threadCount() ?? 0)).toBe(3)
    }
    closing.free(tensor)
    await expect(async () => closing.read(tensor)).rejects.toThrow(/was freed/)
  })
})

/** Memory of this process that it got for itself; undefined where the system does not tell. */
function residentMib(): number | undefined {
  if (!existsSync('/proc/self/status')) return undefined
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024
}

function threadCount(): number | undefined {
  return existsSync('/proc/self/task') ? readdirSync('/proc/self/task').length : undefined
}
