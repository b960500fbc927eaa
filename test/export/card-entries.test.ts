import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { cardEntries } from '../../src/export/gguf/card-entries.ts'
import { readCard, readLicence } from '../../src/export/model-card.ts'

const folder = mkdtempSync(join(tmpdir(), 'fettle-card-'))
afterAll(() => rmSync(folder, { recursive: true }))

const card = `---
license: [apache-2.0, mit]
license_name: my-licence
license_link: https://example.org/LICENSE
language:
- en
- no
pipeline_tag: text-generation
tags:
- fettle
- lora
base_model:
- HuggingFaceTB/SmolLM2-135M-instruct
- https://huggingface.co/Qwen/Qwen3-0.6B-Base
- https://example.org/mine
datasets: org/my-data
---
# Mine
`

const ofModel = {
  'general.license': 'apache-2.0,mit',
  'general.license.name': 'my-licence',
  'general.license.link': 'https://example.org/LICENSE',
  'general.tags': ['fettle', 'lora', 'text-generation'],
  'general.languages': ['en', 'no'],
}

/** What gguf-py 0.19 makes of that card: Metadata.load(…).set_gguf_meta_model(…). */
const recorded = {
  ...ofModel,
  'general.base_model.count': 3,
  'general.base_model.0.name': 'SmolLM2 135M Instruct',
  'general.base_model.0.organization': 'HuggingFaceTB',
  'general.base_model.0.repo_url': 'https://huggingface.co/HuggingFaceTB/SmolLM2-135M-instruct',
  'general.base_model.1.name': 'Qwen3 0.6B Base',
  'general.base_model.1.organization': 'Qwen',
  'general.base_model.1.repo_url': 'https://huggingface.co/Qwen/Qwen3-0.6B-Base',
  'general.base_model.2.repo_url': 'https://example.org/mine',
  'general.dataset.count': 1,
  'general.dataset.0.name': 'My Data',
  'general.dataset.0.organization': 'Org',
  'general.dataset.0.repo_url': 'https://huggingface.co/org/my-data',
}

const valuesOf = (entries: ReturnType<typeof cardEntries>) =>
  Object.fromEntries(entries.map(([key, { value }]) => [key, value]))

test('what a card says, as llama.cpp’s converter writes it', async () => {
  writeFileSync(join(folder, 'README.md'), card)
  const read = await readCard(folder)
  expect(valuesOf(cardEntries(read, true))).toEqual(recorded)
  // With an adapter it is no card of what is exported.
  expect(valuesOf(cardEntries(read, false))).toEqual(ofModel)
})

test.each([
  ['one', '---\nlicense: mit\n---\n', 'mit'],
  ['one in quotes, of lines of Windows', '---\r\nlicense: "mit"\r\n---\r\n', 'mit'],
  ['none', '# Mine\n', undefined],
  ['what is no YAML', '---\nlicense: [mit\n---\n', undefined],
])('the licence of a card: %s', async (_, text, expected) => {
  writeFileSync(join(folder, 'README.md'), text)
  expect(await readLicence(folder)).toBe(expected)
})
