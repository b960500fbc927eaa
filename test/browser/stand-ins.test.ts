// What stands in for Node's modules in pages, against Node's own.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Buffer as Mine } from '../../src/browser/node/buffer.ts'
import { createHash as mine, randomUUID } from '../../src/browser/node/crypto.ts'
import { failure } from '../../src/browser/node/tree.ts'
import { explainUnreadable } from '../../src/formats/text.ts'
import { createRandom } from '../../src/random.ts'

const src = join(import.meta.dirname, '..', '..', 'src')
const random = createRandom(7)
const bytes = Uint8Array.from({ length: 64 }, () => Math.floor(256 * random()))

/** A method of a class that TypeScript knows nothing of, called. */
function call(on: object, name: string, ...values: unknown[]): unknown {
  return (Reflect.get(on, name) as (...values: unknown[]) => unknown).apply(on, values)
}

/** Methods by which src/ reads and writes numbers. */
const used = new Set(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/^(cli|export|remote|train\/trackers)\//.test(file))
    .flatMap(
      (file) =>
        readFileSync(join(src, file), 'utf8').match(
          /(?<=\.)(?:read|write)(?:U?Int|Big|Float|Double)\w+(?=\()/g,
        ) ?? [],
    )
    .filter((name) => name in Buffer.prototype),
)

describe('Buffer', () => {
  test.each([...used].filter((name) => name.startsWith('read')))('%s', (name) => {
    const more = name.endsWith('IntBE') ? [5] : []
    for (const at of [0, 1, 13, 40])
      expect(call(Mine.from(bytes), name, at, ...more)).toEqual(call(Buffer.from(bytes), name, at, ...more))
  })

  test.each([...used].filter((name) => name.startsWith('write')))('%s', (name) => {
    const value = name.includes('Big') ? 123_456_789_012n : 77
    const [own, theirs] = [Mine.from(bytes), Buffer.from(bytes)]
    expect(call(own, name, value, 3)).toBe(call(theirs, name, value, 3))
    expect([...own]).toEqual([...theirs])
  })

  test.each([
    ['latin1', 0, 64],
    ['hex', 0, 8],
    ['hex', 3, 64],
    ['base64', 1, 30],
    ['base64url', 0, 64],
    ['utf8', 0, 64],
  ] as const)('toString %s from %i to %i', (encoding, start, end) => {
    expect(Mine.from(bytes).toString(encoding, start, end)).toBe(
      Buffer.from(bytes).toString(encoding, start, end),
    )
  })

  test('text with a byte order mark, and its length', () => {
    const text = '\uFEFFä€😀'
    expect(Mine.from(text).toString()).toBe(text)
    expect(Mine.byteLength(text)).toBe(Buffer.byteLength(text))
  })

  test('concat, compare, equals, copy and slices', () => {
    const [one, other] = [Mine.from([1, 2, 3]), Mine.from([1, 3])]
    const all = Mine.concat([one, other])
    expect([...all]).toEqual([1, 2, 3, 1, 3])
    expect([Mine.compare(one, other), Mine.compare(other, one), Mine.compare(one, Mine.from(one))]).toEqual([
      -1, 1, 0,
    ])
    expect([one.equals(other), one.equals(Mine.from(one))]).toEqual([false, true])
    expect([one.copy(all, 3, 1), ...all]).toEqual([2, 1, 2, 3, 2, 3])
    all.slice(1, 2)[0] = 9
    expect(all[1]).toBe(9)
    expect(Mine.from(one).buffer).not.toBe(one.buffer)
  })
})

test('SHA-256 of what comes in pieces', () => {
  const [own, theirs] = [mine('sha256'), createHash('sha256')]
  for (const piece of ['', 'abc', bytes, bytes.subarray(5, 60), new Float32Array([1, 2]), 'ä'.repeat(500)]) {
    own.update(piece)
    theirs.update(piece)
  }
  expect(own.digest('hex')).toBe(theirs.digest('hex'))
  expect(randomUUID()).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
})

test('a file that is not there is told as in Node', () => {
  expect(explainUnreadable('/a', failure('ENOENT', '/a'), 'a file')).toMatchObject({
    message: '/a: no such file or folder; expected a file. Check the path.',
  })
})
