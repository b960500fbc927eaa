import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { findNative, nativeIsas } from '../../../src/engine/native/index.ts'
import { opNames } from '../../../src/engine/ops.ts'
import { recordPrograms } from './recorded-programs.ts'

const native = findNative()
const addon = 'path' in native ? native.path : ''
const folder = mkdtempSync(join(tmpdir(), 'fettle-border-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Line {
  begins?: string
  name?: string
  error?: string | null
  end?: unknown
}

/** Runs a script in a process of its own and returns the lines that it printed, also when it crashed. */
async function linesOf(script: string, ...args: string[]): Promise<Line[]> {
  const path = join(import.meta.dirname, script)
  const options = { maxBuffer: 2 ** 28 }
  const run = promisify(execFile)(process.execPath, [path, addon, ...args], options)
  const { stdout } = await run.catch((error: { stdout: string }) => error)
  return stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []))
}

describe.skipIf(nativeIsas().length === 0)('native: the addon', () => {
  it('answers every wrong call with an error', async () => {
    const lines = await linesOf('calls.mjs', nativeIsas()[0], JSON.stringify(opNames), folder)
    const calls = lines.filter(({ name }) => name !== undefined)
    // A call that began and did not end ended the process.
    expect(lines.at(-1)?.begins, 'crashed').toBeUndefined()
    expect(calls.filter(({ error }) => error === null).map(({ name }) => name)).toEqual([])
    expect(calls.filter(({ error }) => error?.startsWith('no Error'))).toEqual([])
    expect(calls.length).toBeGreaterThan(1000)
    expect(lines.at(-1)?.end).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4])
  })

  it.each(nativeIsas())('%s: takes no harm from programs with wrong numbers in them', async (isa) => {
    const programs = await recordPrograms()
    const path = join(folder, 'programs.json')
    writeFileSync(path, JSON.stringify(programs, typedArrays))
    const lines = await linesOf('fuzz.mjs', isa, path, '12', '1')
    expect(lines.at(-1)?.begins, 'crashed').toBeUndefined()
    const end = lines.at(-1)?.end as { refused: number; failed: number; ran: number }
    expect(end.refused).toBeGreaterThan(3 * programs.length)
    expect(end.failed).toBeGreaterThan(programs.length / 2)
    expect(end.ran).toBeGreaterThan(programs.length)
  })
})

/** For JSON, which has no typed arrays and no NaN. */
function typedArrays(_: string, value: unknown): unknown {
  if (value instanceof Float32Array) return { float32: Array.from(value, String) }
  if (value instanceof Int32Array) return { int32: [...value] }
  if (value instanceof Uint16Array) return { uint16: [...value] }
  return value
}
