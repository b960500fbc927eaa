import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { prepareExamples } from '../../src/data/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { collect } from './rows.ts'

const fixtures = join(import.meta.dirname, '../fixtures')
const folder = mkdtempSync(join(tmpdir(), 'fettle-lossless-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What transformers made of each row, recorded by record_lossless.py. */
const recorded = JSON.parse(readFileSync(join(fixtures, 'lossless-rows.json'), 'utf8')) as {
  shows: string
  cases: { template: string; row: string; text: string }[]
}
const tokenizer = await AutoTokenizer.fromPretrained(join(fixtures, 'tokenizers/bytebpe-qwen'))
tokenizer.setNamedToken('bos_token', '<s>')
tokenizer.setNamedToken('eos_token', '</s>')

async function textOf(name: string, row: string): Promise<string | undefined> {
  const path = join(folder, 'row.jsonl')
  writeFileSync(path, row)
  tokenizer.chatTemplate =
    name === 'shows'
      ? recorded.shows
      : readFileSync(join(fixtures, 'chat-templates/templates', `${name}.jinja`), 'utf8')
  const accept = ['dropped', 'inferred', 'no-stop'] as const
  const [example] = await collect(
    prepareExamples([path], tokenizer, { policy: { accept, trainOnInput: true } }),
  )
  return example.text
}

test.each(recorded.cases)('$template: $row', async ({ template, row, text }) => {
  expect(await textOf(template, row)).toBe(text)
})

const asText = (row: string) => {
  const [, before, object, after] = /^(.*"arguments": )(\{.*?\})(\}\}\]\}, .*)$/.exec(row) ?? []
  return before + JSON.stringify(object) + after
}

// As servers do: arguments are read, where the template writes them as JSON; Qwen 3 writes a text as it is.
test.each(recorded.cases.filter(({ template }) => !['shows', 'trl/qwen3'].includes(template)))(
  '$template, arguments as JSON text: $row',
  async ({ template, row, text }) => {
    expect(await textOf(template, asText(row))).toBe(text)
  },
)

test('a template that adds arguments to a text gets their JSON text', async () => {
  const [{ row }] = recorded.cases
  const [, json] = /"arguments": (\{.*?\})\}\}/.exec(row) ?? []
  expect(await textOf('axolotl/deepseek_v3', row)).toContain(`\n${json}\n`)
})
