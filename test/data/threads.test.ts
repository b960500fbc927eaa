import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  createDataReport,
  createEncodingPool,
  encodeInThreads,
  prepareExamples,
  toConversations,
  type Row,
} from '../../src/data/index.ts'
import { carry, uncarry } from '../../src/data/workers/carry.ts'
import { JsonFloat, keysOf, parseJson } from '../../src/formats/json/index.ts'
import { AutoTokenizer, snapshotOf, tokenizerOfSnapshot, type Tokenizer } from '../../src/tokenizer/index.ts'
import { collect, errorOf } from './rows.ts'

let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await AutoTokenizer.fromPretrained(
    join(import.meta.dirname, '../fixtures/tokenizers/bytebpe-qwen'),
  )
})

type Values = Record<string, unknown>

async function* rowsOf(values: readonly Values[]): AsyncGenerator<Row> {
  for (const [row, value] of values.entries()) yield { value, origin: { file: 'rows', row } }
}

/** Rows through two threads, as through none. */
async function encode(values: readonly Values[], threads: number, options: Values = {}) {
  const report = createDataReport()
  const reading = createDataReport()
  const pool = createEncodingPool(tokenizer, options, threads)
  pool.expect(1e9)
  await pool.started()
  expect(pool.isReady).toBe(threads > 1)
  try {
    const conversations = toConversations(rowsOf(values), { ...options, report: reading })
    const all = await collect(
      encodeInThreads(conversations, tokenizer, { ...options, report, reading }, pool),
    )
    const examples = all.map(({ inputIds, mask, spans, straddles, origin }) => ({
      inputIds: [...inputIds],
      mask: [...mask],
      spans,
      straddles,
      origin,
    }))
    return { examples, report }
  } finally {
    await pool.close()
  }
}

const turn = (role: string, content: string) => ({ role, content })
const chat = (i: number): Values => ({
  messages: [
    turn('user', `Question ${i}`),
    turn('assistant', `Answer ${i * i}`),
    turn('user', 'And?'),
  ].concat(turn('assistant', `More of ${i}`)),
})
const chats = Array.from({ length: 540 }, (_, i) => chat(i))
const spoilt = chats.map((row, i) =>
  i === 300 ? { messages: [turn('bot', 'x')] } : i % 250 === 249 ? { messages: 'none' } : row,
)

describe('threads make the same', () => {
  test.each<[string, Values[], Values]>([
    ['examples of chats', chats, {}],
    ['examples of each turn', chats, { perTurn: true, policy: { learn: 'last' } }],
    [
      'notes of completions',
      Array.from({ length: 540 }, (_, i) => ({ prompt: `a${i} b`, completion: 'bc', extra: i })),
      {},
    ],
    ['report of rows that are left out', spoilt, { skipInvalid: true }],
  ])('%s', async (_, rows, options) => {
    const [with2, with1] = [await encode(rows, 2, options), await encode(rows, 1, options)]
    expect(with1.examples.length).toBeGreaterThan(500)
    expect(with2).toEqual(with1)
  })

  test('error of the first row that cannot be used', async () => {
    const message = await errorOf(encode(spoilt, 1))
    expect(message).toMatch(/^rows#249: /)
    expect(await errorOf(encode(spoilt, 2))).toBe(message)
  })

  test('nothing where options cannot be handed to a thread', async () => {
    const options = { variables: { now: () => 'now' } }
    const pool = createEncodingPool(tokenizer, options, 2)
    pool.expect(1e9)
    await pool.started()
    expect(pool.isReady).toBe(false)
    await pool.close()
  })
})

test('a consumer that stops early leaves no thread behind', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({ text: `${i} ${'word '.repeat(4000)}` }))
  for await (const example of prepareExamples([{ rows }], tokenizer, { threads: 2 })) {
    expect(example.inputIds.length).toBeGreaterThan(4000)
    break
  }
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Worker')).toEqual([])
})

test('a snapshot of a tokenizer is the tokenizer as it is now', async () => {
  const changed = await AutoTokenizer.fromPretrained(tokenizer.place)
  changed.addSpecialTokens(['<new>'])
  changed.setNamedToken('pad_token', '<new>')
  changed.chatTemplate = "{{ messages[0]['content'] }}{{ eos_token }}"
  const again = tokenizerOfSnapshot(structuredClone(snapshotOf(changed)))
  expect(again.toFiles()).toEqual(changed.toFiles())
  expect(again.padTokenId).toBe(changed.padTokenId)
  expect(again.place).toBe(changed.place)
  expect(again.applyChatTemplate([turn('user', '<new>')])).toBe('<new><|im_end|>')
})

test('values are carried with what JSON tells apart', () => {
  const value = parseJson('{"a": [{"10": 1.0, "2": 12345678901234567890, "x": null}], "b": "c"}', 'test')
  const carried = uncarry(structuredClone(carry(value)))
  expect(carried).toEqual(value)
  const [inner] = (carried as { a: object[] }).a
  expect(keysOf(inner)).toEqual(['10', '2', 'x'])
  expect(Object.values(inner)).toContainEqual(new JsonFloat(1))
  const plain = { a: [1, 'b', null] }
  expect(carry(plain)).toEqual({ value: plain, isPacked: false })
})
