import { describe, expect, test } from 'vitest'
import { createHashSet } from '../../../src/data/mix/hash-set.ts'
import { readConversations } from '../../../src/data/mix/read-conversations.ts'
import { readMixedRows, type MixOptions } from '../../../src/data/mix/read-mixed-rows.ts'
import { createRowKey } from '../../../src/data/mix/row-key.ts'
import { createDataReport, type DataSource } from '../../../src/data/index.ts'
import { createRandom } from '../../../src/random.ts'
import { collect, errorOf } from '../rows.ts'

const texts = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({ text: `${prefix}${i}` }))

/** The texts of the rows in their order, those held out behind a minus. */
async function read(sources: DataSource[], options: MixOptions = {}): Promise<string[]> {
  const rows = await collect(readMixedRows(sources, options))
  return rows.map(({ row }) => (row.origin.heldOut ? '-' : '') + String(row.value['text']))
}

describe('sources', () => {
  test('without weights are read one after the other', async () => {
    const sources = [{ rows: texts('a', 2) }, { rows: texts('b', 2) }]
    expect(await read(sources)).toEqual(['a0', 'a1', 'b0', 'b1'])
  })

  const weighted = (a: number, b: number): DataSource[] => [
    { rows: texts('a', a), weight: 3 },
    { rows: texts('b', b), weight: 1 },
  ]

  test('with weights end with the first that ends', async () => {
    const order = await read(weighted(100, 200))
    expect(order.filter((text) => text.startsWith('a'))).toEqual(texts('a', 100).map(({ text }) => text))
    expect(order.at(-1)).toBe('a99')
  })

  test('that are too short are read again, and counted', async () => {
    const report = createDataReport()
    const order = await read(weighted(5, 40), { stoppingStrategy: 'all_exhausted', report })
    expect(new Set(order).size).toBe(45)
    expect(report.repeated).toBe(order.length - 45)
    expect(report.rows).toBe(45)
  })

  test('are each read once without replacement', async () => {
    const order = await read(weighted(5, 40), { stoppingStrategy: 'all_exhausted_without_replacement' })
    expect(order.toSorted()).toEqual([...texts('a', 5), ...texts('b', 40)].map(({ text }) => text).toSorted())
  })

  const stream = async function* () {
    yield* texts('a', 2)
  }
  test.each<[string, DataSource[], RegExp]>([
    [
      'a weight on some',
      [
        { rows: texts('a', 1), weight: 1 },
        { rows: [], name: 'b' },
      ],
      /^data: b: no weight beside sources that have one/,
    ],
    [
      'a weight of nothing',
      [{ rows: texts('a', 1), weight: 0 }],
      /^data: data: weight 0; expected a number above 0\.$/,
    ],
    [
      'no rows',
      [
        { rows: texts('a', 1), weight: 1 },
        { rows: [], name: 'b', weight: 1 },
      ],
      /^b: no rows; expected at least one\.$/,
    ],
    [
      'a stream that would have to be read again',
      [
        { rows: stream(), name: 's', weight: 9 },
        { rows: texts('b', 50), weight: 1 },
      ],
      /^s: rows that can be read once, and all_exhausted reads short sources again; .* Set stopping_strategy/,
    ],
  ])('are refused: %s', async (_, sources, message) => {
    expect(await errorOf(read(sources, { stoppingStrategy: 'all_exhausted' }))).toMatch(message)
  })

  test('that a function begins can be read again', async () => {
    const order = await read(
      [
        { rows: stream, weight: 9 },
        { rows: texts('b', 3), weight: 1 },
      ],
      { stoppingStrategy: 'all_exhausted' },
    )
    expect(order.filter((text) => text === 'a0').length).toBeGreaterThan(1)
  })
})

describe('duplicates', () => {
  const twice = [...texts('a', 3), ...texts('a', 3)]
  test('are left out across sources and counted', async () => {
    const report = createDataReport()
    const order = await read([{ rows: twice }, { rows: texts('a', 4) }], { deduplicate: true, report })
    expect(order).toEqual(['a0', 'a1', 'a2', 'a3'])
    expect(report).toMatchObject({ rows: 10, duplicates: 6 })
  })

  test('stay out when a source is read again', async () => {
    const sources = [
      { rows: twice, weight: 1 },
      { rows: texts('b', 20), weight: 1 },
    ]
    const order = await read(sources, { deduplicate: true, stoppingStrategy: 'all_exhausted' })
    const ofA = order.filter((text) => text.startsWith('a'))
    expect(ofA).toEqual(ofA.map((_, i) => `a${i % 3}`))
    expect(ofA.length).toBeGreaterThan(3)
  })

  const hi = { role: 'user', content: 'Hi' }
  test.each<[string, DataSource, Record<string, unknown>, Record<string, unknown>, boolean]>([
    ['another id', { path: '' }, { text: 'a', id: 1 }, { text: 'a', id: 2 }, true],
    [
      'another order of keys',
      { path: '' },
      { messages: [hi] },
      { id: 7, messages: [{ content: 'Hi', role: 'user' }] },
      true,
    ],
    [
      'other weights of messages',
      { path: '' },
      { messages: [hi] },
      { messages: [{ ...hi, weight: 0 }] },
      false,
    ],
    [
      'other tools',
      { path: '' },
      { messages: [hi], tools: [{ a: 1, b: 2 }] },
      { messages: [hi], tools: [{ b: 2, a: 1 }] },
      false,
    ],
    [
      'another label',
      { path: '' },
      { prompt: 'a', completion: 'b', label: true },
      { prompt: 'a', completion: 'b', label: false },
      false,
    ],
    ['1 and "1"', { path: '' }, { text: '1' }, { text: 1 }, false],
    [
      'large integers',
      { path: '' },
      { input_ids: [9007199254740993n] },
      { input_ids: [9007199254740992n] },
      false,
    ],
    [
      'columns by another name',
      { path: '', columns: { text: 'body' } },
      { body: 'a', text: 'x' },
      { body: 'a', text: 'y' },
      true,
    ],
    [
      'texts made of columns',
      { path: '', columns: { text: '{a}{b}' } },
      { a: 'xy', b: '' },
      { a: 'x', b: 'y' },
      true,
    ],
  ])('are those that say the same: %s', (_, source, one, other, same) => {
    const keyOf = createRowKey(source)
    const [first, second] = [one, other].map((value) => keyOf({ value, origin: { file: '' } }))
    expect(JSON.stringify(first) === JSON.stringify(second)).toBe(same)
  })
})

describe('held-out rows', () => {
  const rows = [...texts('a', 400), ...texts('a', 100)]
  test('are the same ones whatever else is read, and never those of training', async () => {
    const report = createDataReport()
    const order = await read([{ rows }], { valSize: 0.25, report })
    const out = new Set(order.filter((text) => text.startsWith('-')).map((text) => text.slice(1)))
    expect(order.filter((text) => out.has(text))).toEqual([])
    // Within four standard deviations: √(400 · 0.25 · 0.75) = 8.7.
    expect(Math.abs(out.size - 100)).toBeLessThan(35)
    expect(report.heldOut).toBe(order.filter((text) => text.startsWith('-')).length)
    const mixed = await read(
      [
        { rows: rows.toReversed(), weight: 1 },
        { rows: texts('b', 9), weight: 1 },
      ],
      {
        valSize: 0.25,
        stoppingStrategy: 'all_exhausted',
        shuffleBuffer: 50,
      },
    )
    expect(new Set(mixed.filter((text) => text.startsWith('-a')).map((text) => text.slice(1)))).toEqual(out)
    // Rows that are read again are evaluated on once.
    expect(mixed.filter((text) => text.startsWith('-b')).length).toBeLessThanOrEqual(9)
  })

  test('follow from the seed', async () => {
    const [one, other] = await Promise.all([1, 2].map((seed) => read([{ rows }], { valSize: 0.25, seed })))
    expect(one).not.toEqual(other)
  })
})

test('a buffer shuffles rows as they are read, by the seed', async () => {
  const source = [{ rows: texts('a', 60) }]
  const shuffled = await read(source, { shuffleBuffer: 16 })
  expect(shuffled).not.toEqual(texts('a', 60).map(({ text }) => text))
  expect(shuffled.toSorted()).toEqual(
    texts('a', 60)
      .map(({ text }) => text)
      .toSorted(),
  )
  expect(await read(source, { shuffleBuffer: 16 })).toEqual(shuffled)
})

describe('a function', () => {
  const ask = { role: 'user', content: 'a' }
  const mapped = async (map: DataSource['map'], options: MixOptions = {}) =>
    collect(readConversations([{ rows: [{ q: 'a' }, { q: 'b' }], name: 'mine', map }], options))

  test.each<[string, DataSource['map'], unknown]>([
    ['messages', ({ q }) => [{ role: 'user', content: q }], { kind: 'messages', messages: [ask] }],
    [
      'a conversation',
      ({ q }) => ({ messages: [{ role: 'user', content: q }], tools: [{ name: 't' }] }),
      { kind: 'messages', messages: [ask] },
    ],
    [
      'a row of another format',
      ({ q }) => ({ prompt: String(q), completion: 'x' }),
      { kind: 'completion', prompt: 'a', completion: 'x' },
    ],
    ['a promise', async ({ q }) => ({ text: String(q) }), { kind: 'text', text: 'a' }],
  ])('may return %s', async (_, map, expected) => {
    const [first, second] = await mapped(map)
    expect(first).toMatchObject({ ...Object(expected), origin: { file: 'mine', row: 0 } })
    expect(second).toMatchObject({ origin: { row: 1 } })
  })

  test('leaves out rows for which it returns null', async () => {
    const report = createDataReport()
    const map: DataSource['map'] = ({ q }, { row }) => (row === 0 ? null : { text: String(q) })
    expect(await mapped(map, { report })).toMatchObject([{ text: 'b' }])
    expect(report).toMatchObject({ rows: 2, mappedAway: 1 })
  })

  const wrong: [string, (row: Record<string, unknown>) => unknown, RegExp][] = [
    [
      'throws',
      () => {
        throw new TypeError('q is not a function')
      },
      /^mine#0: map: the function threw: q is not a function; expected messages, a row such as/,
    ],
    ['returns a number', () => 7, /^mine#0: map: the number 7; expected messages/],
    ['returns a list of texts', () => ['a'], /^mine#0: map: a list; expected messages/],
    [
      'returns no columns of a format',
      () => ({ q: 'a', a: 'b' }),
      /^mine#0: columns q, a; expected messages/,
    ],
    [
      'returns messages without role',
      () => [{ text: 'a' }],
      /^mine#0: messages\[0\]: a message with text; expected role and content/,
    ],
  ]
  test.each(wrong)('that %s is an error that names the row', async (_, map, message) => {
    expect(await errorOf(mapped(map as DataSource['map']))).toMatch(message)
  })

  test('that fails for some rows has them left out, where that is asked for', async () => {
    const report = createDataReport()
    const map: DataSource['map'] = ({ q }) => {
      if (q === 'a') throw new Error('no')
      return { text: String(q) }
    }
    expect(await mapped(map, { report, skipInvalid: true })).toMatchObject([{ text: 'b' }])
    expect(report.invalid).toEqual([
      { place: 'mine#0', reason: expect.stringMatching(/^map: the function threw: no/) },
    ])
  })
})

describe('rows that a program makes', () => {
  async function* broken() {
    yield { text: 'a' }
    throw new Error('the database is gone')
  }
  test.each<[string, DataSource, RegExp]>([
    [
      'fail on their way',
      { rows: broken(), name: 'db' },
      /^db#1: rows threw: the database is gone; expected a row, or the end\.$/,
    ],
    [
      'fail at once',
      {
        rows: () => {
          throw new Error('no')
        },
        name: 'db',
      },
      /^db#0: rows threw: no;/,
    ],
    [
      'are no rows',
      { rows: (() => 7) as never, name: 'db' },
      /^db: rows: a function that returned 7; expected rows: a list/,
    ],
  ])('%s', async (_, source, message) => {
    expect(await errorOf(read([source]))).toMatch(message)
  })
})

test('hashes take at most 16 bytes each, and none is lost', () => {
  const set = createHashSet()
  const random = createRandom(5)
  const numbers = Uint32Array.from({ length: 200_000 }, () => random() * 2 ** 32)
  let added = 0
  for (let i = 0; i < numbers.length; i += 2) if (set.add(numbers[i], numbers[i + 1])) added += 1
  expect(added).toBe(100_000)
  expect(set.size).toBe(100_000)
  expect(set.sizeBytes / set.size).toBeLessThan(16)
  for (let i = 0; i < numbers.length; i += 2) if (set.add(numbers[i], numbers[i + 1])) added += 1
  expect(added).toBe(100_000)
})
