import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { createDataReport, readRows, resolveFiles, type DataSource } from '../../src/data/index.ts'
import { formatOrigin } from '../../src/data/row.ts'

interface Layout {
  files: Record<string, string>
  expected: {
    config: string | null
    split: string | null
    /** Texts of the first column; `''` where splits were asked for. */
    splits?: Record<string, string[]>
    error?: string
  }[]
}

/** What `datasets` finds in folders of many kinds: record.py there. */
const layouts = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'data-sets', 'layouts.json'), 'utf8'),
) as Record<string, Layout>

/** A folder with these files. */
function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-data-sets-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

async function textsOf(source: DataSource): Promise<unknown[]> {
  const texts = []
  for await (const { value } of readRows(source)) texts.push(Object.values(value)[0])
  return texts
}

describe.each(Object.entries(layouts))('%s', (_, { files, expected }) => {
  const path = folderOf(files)
  it.each(expected)('holds for config $config and split $split what datasets finds', async (own) => {
    const source = { path, ...(own.config !== null && { config: own.config }) }
    if (own.splits === undefined || own.error !== undefined) {
      const rows = textsOf({ ...source, ...(own.split !== null && { split: own.split }) })
      // A slice beyond the rows is no mistake here, but empty.
      if (own.error?.includes('corresponds to no data')) expect(await rows).toEqual([])
      else await expect(rows).rejects.toThrow('expected')
      return
    }
    for (const [split, texts] of Object.entries(own.splits)) {
      const name = split === '' ? (own.split ?? '') : split
      expect(await textsOf({ ...source, split: name })).toEqual(texts)
      expect(await textsOf({ ...source, path: `${path}:${name}` })).toEqual(texts)
    }
    if ('train' in own.splits) expect(await textsOf(source)).toEqual(own.splits['train'])
  })
})

const row = (text: string) => `{"text": "${text}"}\n`
const readme = (...lines: string[]) => `---\n${lines.join('\n')}\n---\n`

test('what a source resolves to, and what is worth knowing of it', async () => {
  const path = folderOf({
    'data/train-00001-of-00003.jsonl': row('b'),
    'data/train-00000-of-00003.jsonl': row('a'),
    'data/test-00000-of-00001.jsonl': row('c'),
    'data/train-00000-of-00001.csv': 'text\nd\n',
  })
  const report = createDataReport()
  const places = []
  for await (const { origin } of readRows({ path }, { report })) places.push(formatOrigin(origin))
  const [first, second] = ['0', '1'].map((shard) => `${path}/data/train-0000${shard}-of-00003.jsonl`)
  expect(places).toEqual([`${first}:1`, `${second}:1`])
  expect(report.notes).toEqual([
    `${path}: train: not read: 1 of 3 files, of another kind`,
    `${path}: train: 2 of 3 shards are there`,
  ])
  expect(await resolveFiles({ path })).toEqual([first, second])
  expect(await resolveFiles({ path, split: 'test[:1]+train' })).toEqual([
    `${path}/data/test-00000-of-00001.jsonl`,
    first,
    second,
  ])
  expect(await resolveFiles({ rows: [] })).toBe(undefined)
})

test('patterns and lists of paths are read in the order of names and of the list', async () => {
  const path = folderOf({
    'b1.jsonl': row('b1'),
    'a1.jsonl': row('a1'),
    'x/a2.jsonl': row('a2'),
    '[1].jsonl': row('own'),
  })
  expect(await textsOf({ path: `${path}/*.jsonl` })).toEqual(['own', 'a1', 'b1'])
  expect(await textsOf({ path: `${path}/**/a*.jsonl:train[1:]` })).toEqual(['a2'])
  expect(await textsOf({ path: `${path}/[1].jsonl` })).toEqual(['own'])
  expect(await textsOf({ path: [`${path}/x`, `${path}/?1.jsonl`] })).toEqual(['a2', 'a1', 'b1'])
})

it.each<[string, Record<string, string>, { config?: string; split?: string }, string[]]>([
  [
    'a split that is not there',
    { 'train.jsonl': row('a') },
    { split: 'dev' },
    ['no split dev; expected train'],
  ],
  [
    'only a test split',
    { 'test.jsonl': row('a') },
    {},
    ['no split train; expected test. Choose one: split: test'],
  ],
  [
    'a border that is no number',
    { 'train.jsonl': row('a') },
    { split: 'train[:x]' },
    ["the split 'train[:x]'"],
  ],
  ['too much', { 'train.jsonl': row('a') }, { split: 'train[:120%]' }, ['the border 120', 'at most 100%']],
  [
    'images',
    { 'a.png': '', 'b.png': '', 'metadata.jsonl': row('a') },
    {},
    ['train: images; expected rows of text'],
  ],
  [
    'configs with several mistakes',
    {
      'README.md': readme(
        'configs:',
        '- data_files: a',
        '- config_name: a',
        '  data_files: 3',
        '- config_name: a',
      ),
    },
    {},
    [
      'README.md:3: a config without',
      'README.md:5: data_files: the number 3',
      'README.md:6: the config a twice',
    ],
  ],
  [
    'a config that is meant',
    {
      'README.md': readme('configs:', '- config_name: english', '  data_files: a.jsonl'),
      'a.jsonl': row('a'),
    },
    { config: 'englsh' },
    ['config englsh; expected english. Did you mean config: english?'],
  ],
  [
    'what decides the rows and is not obeyed',
    {
      'README.md': readme(
        'configs:',
        '- config_name: a',
        '  data_files: a.csv',
        '  na_values: x',
        "  sep: ''",
      ),
      'a.csv': 'a\n1\n',
    },
    {},
    ['README.md:5: na_values, which decides', 'README.md:6: sep: the string ""; expected a text'],
  ],
  [
    'a file outside',
    { 'README.md': readme('configs:', '- config_name: a', '  data_files: ../secret.jsonl') },
    {},
    ['the file ../secret.jsonl; expected files inside of'],
  ],
  [
    'a saved data set with a split twice',
    { 'dataset_dict.json': '{"splits": ["train", "train"]}' },
    {},
    ['dataset_dict.json: the split train twice'],
  ],
  [
    'a saved data set without its files',
    { 'dataset_info.json': '{}', 'state.json': '{"_data_files": [{"filename": "data.arrow"}]}' },
    {},
    ['state.json: _data_files: no file data.arrow'],
  ],
  ['settings that are no YAML', { 'README.md': readme('configs: [') }, {}, ['README.md:', 'not YAML']],
])('%s is refused with its place', async (_, files, options, parts) => {
  const path = folderOf(files)
  const error = await textsOf({ path, ...options }).catch((thrown: Error) => thrown)
  for (const part of parts) expect(String(error)).toContain(part)
  expect(String(error)).toContain(path)
})
