import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collatePadded, createTokenLedger, labelsOf } from '../../src/batch/index.ts'
import { createExampleStore, prepareExamples, readRows, type DataSource } from '../../src/data/index.ts'
import { AutoTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts'
import { golden } from '../batch/golden.ts'
import { collect, errorOf } from './rows.ts'

const folder = mkdtempSync(join(tmpdir(), 'fettle-data-'))
afterAll(() => rmSync(folder, { recursive: true }))
let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await AutoTokenizer.fromPretrained(
    join(import.meta.dirname, '../fixtures/tokenizers/bytebpe-qwen'),
  )
})

const file = (name: string, text: string): DataSource => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return { path }
}

describe('examples are what TRL prepares', () => {
  test.each(Object.entries(golden.sft))('%s', async (name, { options, rows, prepared, batches }) => {
    // What TRL does without being asked for a mask, fettle does when it is to learn everything.
    const masked = options.assistant_only_loss ?? options.completion_only_loss ?? !/default|chat/.test(name)
    const policy = { trainOnInput: !masked }
    const ledger = createTokenLedger({ maxLength: options.max_length, mode: options.truncation_mode })
    const examples = await collect(prepareExamples([{ rows }], tokenizer, { policy, vocabSize: 1000 }))
    const made = examples.flatMap((example) => ledger.admit(example) ?? [])
    expect(
      made.map(({ inputIds, mask }) => ({ inputIds: [...inputIds], labels: labelsOf(inputIds, mask) })),
    ).toEqual(prepared.map(({ input_ids, labels }) => ({ inputIds: input_ids, labels })))
    const batch = collatePadded(
      made.map(({ inputIds, mask }) => ({ inputIds, labels: labelsOf(inputIds, mask) })),
      { padTokenId: tokenizer.padTokenId ?? 0 },
    )
    const [expected] = batches
    expect(batch).toEqual({
      inputIds: expected.input_ids,
      labels: expected.labels,
      attentionMask: expected.attention_mask,
    })
  })
})

describe('files', () => {
  const row = '{"text":"a"}'
  test.each([
    ['a.jsonl', `${row}\n\n${row}\n`, [1, 3]],
    ['b.ndjson', `\uFEFF${row}\r\n${row}`, [1, 2]],
  ])('%s is read by lines', async (name, text, lines) => {
    const rows = await collect(readRows(file(name, text)))
    expect(rows.map(({ origin }) => origin.line)).toEqual(lines)
    expect(rows.every(({ value }) => value['text'] === 'a')).toBe(true)
  })

  test('a .json file is a list of rows', async () => {
    const rows = await collect(readRows(file('c.json', `[${row},${row}]`)))
    expect(rows.map(({ origin }) => origin.row)).toEqual([0, 1])
  })

  test.each([
    ['d.json', '{"data":[]}', /d\.json: no rows; expected at least one\.$/],
    ['e.json', '"a"', /e\.json:1: the string "a"; expected an object with named columns\.$/],
    ['f.xlsx', 'a,b', /f\.xlsx: a \.xlsx file; expected \.jsonl, \.json, \.parquet/],
    ['g.jsonl', `${row}\n[1]`, /g\.jsonl:2: a list; expected an object with named columns\.$/],
    ['h.jsonl', '', /h\.jsonl: no rows; expected at least one\.$/],
    ['i.jsonl', '{"messages":[{"role":"user","content":"Hi"}]}', /i\.jsonl: no token to learn in any row;/],
    [
      'j.jsonl',
      '{"input_ids":[1,99999]}',
      /j\.jsonl:1: input_ids\[1\] is 99999; expected 0 to \d+, the tokens of this model\./,
    ],
    ['k.jsonl', `${row}\n{"text":7}`, /k\.jsonl:2: text is the number 7; expected a text\.$/],
  ])('%s is refused with a reason', async (name, text, message) => {
    expect(await errorOf(collect(prepareExamples([file(name, text)], tokenizer)))).toMatch(message)
  })

  test('are read one after the other, each in its own format', async () => {
    const chat = '{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"}]}'
    const examples = await collect(prepareExamples([file('l.jsonl', row), file('m.jsonl', chat)], tokenizer))
    expect(examples.map(({ text }) => text)).toEqual(['a<|im_end|>', expect.stringContaining('Yo<|im_end|>')])
    expect(examples[1].spans).toMatchObject([{ message: 1, status: 'marked' }])
  })
})

describe('examples', () => {
  const messages = ['Hi', 'Hello', 'And?', 'Bye'].map((content, i) => ({
    role: i % 2 ? 'assistant' : 'user',
    content,
  }))
  const learned = async (rows: Record<string, unknown>[], options: Parameters<typeof prepareExamples>[2]) => {
    const examples = await collect(prepareExamples([{ rows, name: 'rows' }], tokenizer, options))
    return examples.map(({ inputIds, mask }) => tokenizer.decode(inputIds.filter((_, i) => mask[i] === 1)))
  }

  test.each([
    ['all answers', {}, ['Hello<|im_end|>Bye<|im_end|>']],
    ['the last answer', { policy: { learn: 'last' as const } }, ['Bye<|im_end|>']],
    ['an example for each answer', { perTurn: true }, ['Hello<|im_end|>', 'Bye<|im_end|>']],
  ])('learn %s', async (_, options, expected) => {
    expect(await learned([{ messages }], options)).toEqual(expected)
  })

  test('of prompt and completion as messages learn the completion', async () => {
    expect(await learned([{ prompt: messages.slice(0, 3), completion: messages.slice(3) }], {})).toEqual([
      'Bye<|im_end|>',
    ])
  })

  test('say where a doubtful answer stands', async () => {
    const { chatTemplate } = tokenizer
    tokenizer.chatTemplate =
      "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"
    try {
      const message = await errorOf(
        collect(prepareExamples([{ rows: [{ messages }], name: 'rows' }], tokenizer)),
      )
      expect(message).toMatch(/^rows#0: message 1: /)
    } finally {
      tokenizer.chatTemplate = chatTemplate
    }
  })

  test('of tokens have spans where they learn', async () => {
    const stop = tokenizer.eosTokenId ?? 0
    const rows = [{ input_ids: [5, 6, stop, 7, 8], labels: [-100, 6, stop, -100, 8] }]
    const [example] = await collect(prepareExamples([{ rows }], tokenizer))
    expect(example.spans).toEqual([
      { message: 0, start: 1, end: 3, status: 'marked' },
      { message: 1, start: 4, end: 5, status: 'no-stop' },
    ])
  })

  test('come in order, whatever the batches and kinds', async () => {
    const rows = Array.from({ length: 700 }, (_, i) => ({ text: `number ${i}` }))
    const examples = await collect(prepareExamples([{ rows }], tokenizer))
    expect(examples.map(({ text }) => text)).toEqual(rows.map(({ text }) => `${text}<|im_end|>`))
    expect(examples.map(({ origin }) => origin.row)).toEqual(rows.map((_, i) => i))
  })

  test('stay the same in the store', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => ({
      messages: [...messages, ...messages].slice(0, 2 + 2 * (i % 4)),
    }))
    const examples = await collect(prepareExamples([{ rows, name: 'rows' }], tokenizer))
    const store = createExampleStore()
    for (const example of examples) store.add(example)
    const long = {
      ...examples[0],
      inputIds: new Int32Array(1_100_000).fill(3),
      mask: new Uint8Array(1_100_000).fill(1),
    }
    store.add(long)
    store.add(examples[1])
    const expected = [...examples, long, examples[1]].map(({ inputIds, mask, spans, origin }) => ({
      inputIds,
      mask,
      spans,
      origin,
    }))
    expect(store.count).toBe(302)
    expect([...store.lengths]).toEqual(expected.map(({ inputIds }) => inputIds.length))
    for (const i of [0, 1, 299, 301]) expect(store.get(i)).toEqual(expected[i])
    // Compared as bytes: the matcher would take seconds for a million tokens.
    const stored = store.get(300)
    expect(Buffer.compare(Buffer.from(stored.mask), Buffer.from(long.mask))).toBe(0)
    expect(stored.inputIds.every((id) => id === 3)).toBe(true)
    const sum = (count: (example: (typeof expected)[0]) => number) =>
      expected.reduce((total, example) => total + count(example), 0)
    expect(store.tokens).toBe(sum(({ inputIds }) => inputIds.length))
    expect(store.learnedTokens).toBe(sum(({ mask }) => mask.subarray(1).filter((bit) => bit === 1).length))
    expect(store.statuses.marked).toBe(sum(({ spans }) => spans.length))
    expect(() => store.get(302)).toThrow(RangeError)
  })

  test('stay the same in the store when their tokens wait in a file', () => {
    const store = createExampleStore()
    // 13 million tokens of odd lengths, told apart by example and place.
    const size = (i: number) => 40_000 + 7 * i
    const count = 300
    const id = (i: number, at: number) => (i * 131 + at) % 49_152
    for (let i = 0; i < count; i++)
      store.add({
        inputIds: Int32Array.from({ length: size(i) }, (_, at) => id(i, at)),
        mask: Uint8Array.from({ length: size(i) }, (_, at) => Number((i + at) % 3 === 0)),
        spans: [],
        origin: { file: 'rows', row: i },
      })
    for (const i of [299, 0, 1, 150, 26, 25, 150]) {
      const { inputIds, mask, origin } = store.get(i)
      expect(origin.row).toBe(i)
      expect(inputIds.length).toBe(size(i))
      expect(inputIds.findIndex((found, at) => found !== id(i, at))).toBe(-1)
      expect(mask.findIndex((bit, at) => bit !== Number((i + at) % 3 === 0))).toBe(-1)
    }
  })
})
