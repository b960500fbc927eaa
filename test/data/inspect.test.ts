import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AutoTokenizer, inspect, prepareExamples } from '../../src/index.ts'
import { jsonLines, runCli } from '../cli/run-cli.ts'

const root = join(import.meta.dirname, '..', '..')
const tiny = join(root, 'assets', 'tiny-llama')
const data = join(root, 'assets', 'demo-eval.jsonl')
const tokenizer = await AutoTokenizer.fromPretrained(tiny)

async function first<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const read: T[] = []
  for await (const item of items) if (read.push(item) === count) break
  return read
}

test('gives what fettle inspect --json prints', async () => {
  const { stdout } = await runCli(['inspect', data, '--model', tiny, '--limit', '3', '--json'])
  const examples = await first(inspect([data], tokenizer), 3)
  expect(
    examples.map(({ origin, text, inputIds, mask, spans }) => ({
      origin,
      text,
      input_ids: [...inputIds],
      mask: [...mask],
      spans,
    })),
  ).toEqual(jsonLines(stdout))
})

test('takes rows of the program, and shows doubtful ones too', async () => {
  const rows = [{ text: 'Rosa came to Glenhaven.' }, { messages: [{ role: 'user', content: 'Well?' }] }]
  const [text] = await first(inspect([{ rows: [rows[0]] }], tokenizer), 1)
  expect(text.text).toContain('Rosa came to Glenhaven.')
  expect(text.mask.includes(0)).toBe(false)
  const [chat] = await first(inspect([{ rows: [rows[1]] }], tokenizer), 1)
  expect(chat.spans).toEqual([])
  expect(chat.chat?.messages).toEqual(rows[1].messages)
})

test('prepareExamples takes paths as they are', async () => {
  const [example] = await first(prepareExamples([data], tokenizer), 1)
  const [inspected] = await first(inspect([data], tokenizer), 1)
  expect(example.inputIds).toEqual(inspected.inputIds)
})
