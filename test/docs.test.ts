import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import {
  columnNames,
  createDataReport,
  dataFormats,
  messageKeyNames,
  readRows,
  toConversations,
  type Conversation,
  type DataSource,
} from '../src/data/index.ts'
import { readRunOptions, runFileLayer } from '../src/train/index.ts'
import { blocksOf, root, runCode } from './page-code.ts'

mkdirSync(join(root, 'build'), { recursive: true })
const folder = mkdtempSync(join(root, 'build', 'docs-'))
afterAll(() => rmSync(folder, { recursive: true }))

const run = (code: string, name: string) => runCode(code, folder, name)

const page = readFileSync(join(root, 'docs', 'typescript.md'), 'utf8')
const [asking, streaming, looking] = blocksOf(page, 'ts')

test('docs/typescript.md: asking a model', async () => {
  const [text, reply, day, night, heard] = await run(asking, 'asking')
  expect(text[0]).toMatch(/^In the middle of winter ./)
  expect(reply).toEqual([expect.any(String), expect.stringMatching(/^(stop|length)$/)])
  expect([day[0], night[0]]).toEqual([expect.any(String), expect.any(String)])
  expect(heard).toEqual([reply[0]])
})

test('docs/typescript.md: tokens, streams and reasons', async () => {
  const printed = await run(streaming, 'streaming')
  const rows = printed.slice(0, 2).toSorted(([a], [b]) => Number(a) - Number(b))
  expect(rows.map(([row]) => row)).toEqual([0, 1])
  expect(printed[2]).toEqual([rows.map(([, , text]) => text), rows.map(([, reason]) => reason)])
})

test('docs/typescript.md: looking at data', async () => {
  const printed = await run(looking, 'looking')
  expect(printed[0][0]).toContain('Hello.')
  expect(printed[0][3]).toEqual([expect.objectContaining({ message: 1, status: 'proved' })])
  expect(printed.at(-1)?.[0]).toBe('no/such/folder')
  expect(printed.at(-1)?.[3]).toBe('Check the path of the model.')
})

const dataPage = readFileSync(join(root, 'docs', 'data.md'), 'utf8')
const dataExamples = [...dataPage.matchAll(/```json (\w+)\n([\s\S]*?)```/g)].map(([, kind, row]) => ({
  kind,
  row,
}))
const [mapping] = blocksOf(dataPage, 'yaml')

async function conversationsIn(source: DataSource): Promise<Conversation[]> {
  const report = createDataReport()
  const found: Conversation[] = []
  for await (const conversation of toConversations(readRows(source), { ...source, report }))
    found.push(conversation)
  expect(report.notes).toEqual([])
  return found
}

test.each(dataExamples.filter(({ kind }) => kind !== 'mapped'))(
  'docs/data.md: $row',
  async ({ kind, row }) => {
    const path = join(folder, 'row.jsonl')
    // Two rows, because one alone could be of any layout.
    writeFileSync(path, row + row)
    const found = await conversationsIn({ path })
    expect(found.map((conversation) => conversation.kind)).toEqual([kind, kind])
  },
)

test('docs/data.md: columns, roles and keys', async () => {
  const { data } = readRunOptions([runFileLayer(`model: x\n${mapping}`, 'run.yaml')])
  const path = join(folder, 'mapped.jsonl')
  writeFileSync(path, dataExamples.find(({ kind }) => kind === 'mapped')?.row ?? '')
  expect(await conversationsIn({ ...data[0], path } as DataSource)).toMatchObject([
    {
      messages: [
        { role: 'user', content: 'Name a tree.' },
        { role: 'assistant', content: 'Oak.', train: true },
      ],
    },
  ])
})

test('docs/data.md names every column, key of messages and format', () => {
  for (const name of [...columnNames, ...messageKeyNames]) expect(dataPage).toContain(name)
  for (const name of dataFormats) expect(dataPage).toContain(`**${name}**`)
})
