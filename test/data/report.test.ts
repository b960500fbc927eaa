import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import {
  createDataReport,
  inspect,
  prepareExamples,
  readRows,
  type DataReport,
  type ExampleOptions,
} from '../../src/data/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { collect, errorOf } from './rows.ts'

const folder = mkdtempSync(join(tmpdir(), 'fettle-report-'))
afterAll(() => rmSync(folder, { recursive: true }))
const tokenizer = await AutoTokenizer.fromPretrained(
  join(import.meta.dirname, '../fixtures/tokenizers/bytebpe-qwen'),
)
const { chatTemplate: usual } = tokenizer
beforeEach(() => void (tokenizer.chatTemplate = usual))

const chatml = (content: string) =>
  `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}${content}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

function file(name: string, rows: readonly unknown[]): string {
  const path = join(folder, name)
  writeFileSync(path, rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'))
  return path
}

const chat = (...contents: unknown[]) => ({
  messages: contents.map((content, i) => ({ role: i % 2 ? 'assistant' : 'user', content })),
})
const call = { type: 'function', function: { name: 'f', arguments: { a: 1 } } }
const calling = {
  messages: [
    { role: 'user', content: 'w?' },
    { role: 'assistant', content: '', tool_calls: [call] },
    { role: 'tool', content: '3' },
    { role: 'assistant', content: 'd' },
  ],
}

async function prepared(rows: readonly unknown[], options: ExampleOptions = {}) {
  const report: DataReport = createDataReport()
  const examples = await collect(prepareExamples([file('a.jsonl', rows)], tokenizer, { ...options, report }))
  return { examples, report, notes: report.notes.map((text) => text.replace(/^\S*a\.jsonl: /, '')) }
}

describe('rows that cannot be used', () => {
  const bad = [
    chat('a', 'b'),
    '{"messages": [',
    { messages: [{ role: 'bot', content: 'x' }] },
    chat('a', '\ud83d'),
    [1],
    chat('c', 'd'),
    calling,
    chat('a', 'b', 'c'),
  ]

  test('are left out where that is asked for, counted and listed in order of reading', async () => {
    const { examples, report } = await prepared(bad, { skipInvalid: true })
    expect(examples.map(({ origin }) => origin.line)).toEqual([1, 6, 8])
    expect(report.rows).toBe(8)
    expect(report.invalidRows).toBe(5)
    const lines = report.invalid.map(({ place, reason }) => `${/\d+$/.exec(place)?.[0]} ${reason}`).toSorted()
    expect(lines).toEqual([
      '2 not JSON: it ends inside a value (column 15); expected a JSON value',
      "3 role 'bot'; expected system, user, assistant or tool",
      '4 \\ud83d, half of a character, in messages[1].content at character 1; expected whole characters',
      '5 a list; expected an object with named columns',
      '7 message 1: the chat template leaves out its tool_calls; expected a template that writes what is to be learned',
    ])
  })

  test('stop the run otherwise, and inspect, too', async () => {
    const path = file('b.jsonl', bad)
    expect(await errorOf(collect(prepareExamples([path], tokenizer)))).toMatch(/b\.jsonl:2: not JSON/)
    expect(await errorOf(collect(inspect([path], tokenizer)))).toMatch(/b\.jsonl:2: not JSON/)
    const shown = await collect(inspect([path], tokenizer, { skipInvalid: true }))
    expect(shown.map(({ origin }) => origin.line)).toEqual([1, 6, 7, 8])
  })

  test('only twenty are listed', async () => {
    const { report } = await prepared(
      [chat('a', 'b'), ...Array.from({ length: 30 }, () => ({ messages: [] }))],
      {
        skipInvalid: true,
      },
    )
    expect([report.rows, report.invalidRows, report.invalid.length]).toEqual([31, 30, 20])
  })

  test.each([
    ['no rows', [], /a\.jsonl: no rows; expected at least one\.$/],
    [
      'none that can be used',
      [{ messages: [] }, { id: 1 }],
      /a\.jsonl: 2 rows, none of which can be used; the first: .*; expected at least one that can\.$/,
    ],
  ])('%s: prepareExamples and inspect agree', async (_, rows, says) => {
    const path = file('a.jsonl', rows)
    const options = { skipInvalid: true }
    expect(await errorOf(collect(prepareExamples([path], tokenizer, options)))).toMatch(says)
    expect(await errorOf(collect(inspect([path], tokenizer, options)))).toMatch(says)
  })
})

describe('what a template does not take', () => {
  const parts = [
    { type: 'text', text: 'part one ' },
    { type: 'text', text: 'two' },
  ]
  const said = ['the parts of a content are joined, because the chat template takes texts']

  test.each([
    ['a template that adds', "{{ m['content'] + '' }}", said],
    ['a template that prints', '{{ m.content }}', said],
    [
      'a template that takes parts',
      '{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}',
      [],
    ],
  ])('%s: parts', async (_, content, remarks) => {
    tokenizer.chatTemplate = chatml(content)
    const { examples, notes } = await prepared([
      chat(parts, parts),
      chat('part one two', 'part one two'),
      chat(parts, parts),
    ])
    expect(new Set(examples.map(({ text }) => text)).size).toBe(1)
    expect(examples[0].text).toContain('assistant\npart one two<|im_end|>')
    expect(notes).toEqual(remarks)
  })

  test('calls and texts that it leaves out stop the run', async () => {
    const says =
      "message 1: the chat template leaves out its tool_calls; expected a template that writes what is to be learned. Use a template that writes tool calls (chat_template: FILE.jinja), or accept it with accept: ['dropped']."
    expect(await errorOf(prepared([calling]))).toContain(`a.jsonl:1: ${says}`)
    tokenizer.chatTemplate = chatml("{{ m.content if m.role != 'user' else '' }}")
    expect(await errorOf(prepared([chat('a', 'b')]))).toContain(
      'message 0: the chat template leaves out its content',
    )
    const { examples } = await prepared([chat('a', 'b')], { policy: { accept: ['dropped'] } })
    expect(examples).toHaveLength(1)
  })

  test('an answer whose call vanished is not called proved', async () => {
    const [example] = await collect(inspect([file('c.jsonl', [calling])], tokenizer))
    expect(example.spans.map(({ message, status }) => [message, status])).toEqual([
      [1, 'dropped'],
      [3, 'marked'],
    ])
    expect(example.dropped).toEqual([{ message: 1, field: 'tool_calls' }])
  })

  test('tools that it does not show are noted once', async () => {
    const tools = [{ name: 'f', parameters: {} }]
    const { notes } = await prepared([
      { ...chat('a', 'b'), tools },
      { ...chat('c', 'd'), tools },
    ])
    expect(notes).toEqual(['tools are given, and the chat template does not show them'])
  })

  test('its errors say what of the messages may be the reason', async () => {
    tokenizer.chatTemplate = chatml("{{ m.content + '' }}")
    const messages = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: null, tool_calls: [call] },
    ]
    expect(await errorOf(prepared([{ messages }]))).toMatch(
      /a\.jsonl:1: .*(?:TypeError|UndefinedError): .*Does the template take it\? messages\[1\] \(assistant\) has no content\.$/,
    )
  })

  test('arguments that are no JSON, where it writes them as JSON', async () => {
    tokenizer.chatTemplate = chatml(
      '{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}',
    )
    const bad = { ...call, function: { name: 'f', arguments: "{'a': 1}" } }
    const messages = [calling.messages[0], { ...calling.messages[1], tool_calls: [bad] }]
    expect(await errorOf(prepared([{ messages }]))).toContain(
      'a.jsonl:1: messages[1].tool_calls[0]: arguments: not JSON: a single quote (column 2)',
    )
  })
})

test('variables of a row are above those of the run', async () => {
  tokenizer.chatTemplate = chatml('{{ m.content }}{{ mode ~ other }}')
  const rows = [{ ...chat('a', 'b'), chat_template_kwargs: { mode: 'row' } }, chat('a', 'b')]
  const { examples } = await prepared(rows, { variables: { mode: 'run', other: '!' } })
  expect(examples.map(({ text = '' }) => /a(\w+!)/.exec(text)?.[1])).toEqual(['row!', 'run!'])
})

test('a token across the border of prompt and completion is shown, and noted once', async () => {
  const [word] = [...Array(400).keys()]
    .map((id) => tokenizer.decode([id + 300]))
    .filter((text) => /^[a-z]{3,}$/.test(text))
  const rows = [1, 2].map(() => ({ prompt: word.slice(0, 1), completion: word.slice(1) }))
  const { notes } = await prepared(rows)
  expect(notes).toEqual([
    `tokens lie across the border of prompt and completion, where serving would split them; the first is "${word}" in ${join(folder, 'a.jsonl')}:1`,
  ])
  const [example] = await collect(inspect([file('a.jsonl', rows)], tokenizer))
  expect(example.straddles).toEqual([{ message: 1, token: 0, border: 'start' }])
})

test('readRows counts what it reads', async () => {
  const report = createDataReport()
  await collect(readRows({ path: file('d.jsonl', [chat('a', 'b'), chat('a', 'b')]) }, { report }))
  expect(report.rows).toBe(2)
})
