import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { writeFileAtomic } from '../../src/formats/index.ts'
import { AutoTokenizer, type TokenizerFileContents } from '../../src/tokenizer/index.ts'
import { fixtures, tokenizerCases } from './golden.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-save-'))
const read = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8')
const qwen = join(fixtures, 'bytebpe-qwen')

/** A folder with the Qwen fixture's tokenizer.json and these files. */
async function folderWith(name: string, files: Record<string, unknown>) {
  const folder = join(scratch, name)
  const all: Record<string, unknown> = { 'tokenizer.json': read(qwen, 'tokenizer.json'), ...files }
  for (const [file, content] of Object.entries(all))
    await writeFileAtomic(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content))
  return folder
}

const reload = async (folder: string) => {
  const copy = mkdtempSync(join(scratch, 'copy-'))
  await (await AutoTokenizer.fromPretrained(folder)).save(copy)
  return { copy, tokenizer: await AutoTokenizer.fromPretrained(copy) }
}

it.each(tokenizerCases)('%s: an unchanged tokenizer is saved unchanged', async (name) => {
  const folder = join(fixtures, name)
  const { copy } = await reload(folder)
  expect(read(copy, 'tokenizer.json')).toBe(read(folder, 'tokenizer.json'))
  expect(JSON.parse(read(copy, 'tokenizer_config.json'))).toEqual(
    JSON.parse(read(folder, 'tokenizer_config.json')),
  )
  if (name === 'bytebpe-qwen')
    expect(read(copy, 'chat_template.jinja')).toBe(read(folder, 'chat_template.jinja'))
})

describe('where things stand in the files', () => {
  test('template in the configuration, tokens as objects, an older map', async () => {
    const eos = { content: '<|im_end|>', lstrip: false, normalized: false, rstrip: false, single_word: false }
    const folder = await folderWith('inline', {
      'tokenizer_config.json': { eos_token: eos, chat_template: 'inline', odd: { key: 1 } },
      'special_tokens_map.json': { eos_token: eos, pad_token: '<|endoftext|>' },
    })
    const { copy, tokenizer } = await reload(folder)
    expect([tokenizer.eosToken, tokenizer.padToken, tokenizer.chatTemplate]).toEqual([
      '<|im_end|>',
      '<|endoftext|>',
      'inline',
    ])
    expect(JSON.parse(read(copy, 'tokenizer_config.json'))).toEqual({
      eos_token: eos,
      chat_template: 'inline',
      odd: { key: 1 },
      pad_token: '<|endoftext|>',
      tokenizer_class: 'PreTrainedTokenizerFast',
    })
    expect(JSON.parse(read(copy, 'special_tokens_map.json'))).toEqual({
      eos_token: eos,
      pad_token: '<|endoftext|>',
    })
    expect(read(copy, 'chat_template.jinja')).toBe('inline')
  })

  test('the file wins over the configuration', async () => {
    const folder = await folderWith('file wins', {
      'tokenizer_config.json': { chat_template: 'inline' },
      'chat_template.jinja': 'file',
    })
    const { copy, tokenizer } = await reload(folder)
    expect(tokenizer.chatTemplate).toBe('file')
    expect(JSON.parse(read(copy, 'tokenizer_config.json'))).toMatchObject({ chat_template: 'file' })
  })

  test('a list of named templates', async () => {
    const list = [
      { name: 'default', template: 'plain' },
      { name: 'tool_use', template: 'with tools' },
    ]
    const { copy, tokenizer } = await reload(
      await folderWith('named', { 'tokenizer_config.json': { chat_template: list } }),
    )
    expect(tokenizer.applyChatTemplate([])).toBe('plain')
    expect(tokenizer.applyChatTemplate([], { tools: [] })).toBe('with tools')
    expect(tokenizer.applyChatTemplate([], { template: 'tool_use' })).toBe('with tools')
    expect(() => tokenizer.applyChatTemplate([], { template: 'rag' })).toThrow(
      "'rag'; expected default, tool_use",
    )
    expect(JSON.parse(read(copy, 'tokenizer_config.json'))).toMatchObject({ chat_template: list })
  })

  test('a template that was removed does not come back from an earlier save', async () => {
    const copy = join(scratch, 'removed')
    const tokenizer = await AutoTokenizer.fromPretrained(qwen)
    await tokenizer.save(copy)
    tokenizer.chatTemplate = undefined
    await tokenizer.save(copy)
    const saved = await AutoTokenizer.fromPretrained(copy)
    expect(saved.chatTemplate).toBeUndefined()
    expect(() => saved.applyChatTemplate([])).toThrow(`${copy}: no chat template; expected one`)
  })

  test('numbered tokens that tokenizer.json lacks are added, and a wrong number is refused', async () => {
    const token = (content: string) => ({ content, special: true, normalized: false })
    const folder = await folderWith('numbered', {
      'tokenizer_config.json': { added_tokens_decoder: { 601: token('<b>'), 600: token('<a>') } },
      'added_tokens.json': { '<c>': 602 },
    })
    const { copy, tokenizer } = await reload(folder)
    expect(tokenizer.convertTokensToIds(['<a>', '<b>', '<c>', '<d>'])).toEqual([600, 601, 602, undefined])
    expect(JSON.parse(read(copy, 'added_tokens.json'))).toMatchObject({ '<a>': 600, '<c>': 602 })
    const wrong = await folderWith('wrong', { 'added_tokens.json': { '<c>': 700 } })
    await expect(AutoTokenizer.fromPretrained(wrong)).rejects.toThrow(
      '"<c>" with id 700 in the configuration, but 600',
    )
  })

  test('tokenizer.json decides what stands around a text, as in transformers 5', async () => {
    const names = { bos_token: '<|im_start|>', eos_token: '<|im_end|>' }
    const both = await folderWith('both', {
      'tokenizer_config.json': { ...names, add_bos_token: true, add_eos_token: true },
    })
    const tokenizer = await AutoTokenizer.fromPretrained(both)
    expect((await tokenizer.encode('a')).inputIds).toEqual([64])
    expect(tokenizer.notices).toHaveLength(2)
  })
})

describe('what is wrong with a folder', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['nothing', { 'tokenizer.json': '{' }, 'tokenizer.json: '],
    ['not a tokenizer', { 'tokenizer.json': '{"model": 1}' }, 'tokenizer.json: model: 1; expected an object'],
    ['configuration is a list', { 'tokenizer_config.json': '[]' }, 'expected a JSON object'],
  ])('%s', async (name, files, message) => {
    await expect(AutoTokenizer.fromPretrained(await folderWith(name, files))).rejects.toThrow(message)
  })

  test('missing files are named with what to do', async () => {
    const folder = await folderWith('legacy', { 'vocab.json': '{}', 'merges.txt': '' })
    rmSync(join(folder, 'tokenizer.json'))
    await expect(AutoTokenizer.fromPretrained(folder)).rejects.toThrow(
      'no tokenizer.json beside merges.txt, vocab.json; expected tokenizer.json. Convert merges.txt and vocab.json',
    )
    await expect(AutoTokenizer.fromPretrained('Qwen/Qwen3-0.6B')).rejects.toThrow(
      'hf download Qwen/Qwen3-0.6B',
    )
  })

  test('padding without a pad token', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained(await folderWith('no pad', {}))
    await expect(tokenizer.encode(['a', 'bb'], { padding: true })).rejects.toThrow(
      'ensurePadToken(tokenizer)',
    )
    await expect(tokenizer.encode('a', { padding: 'max_length' })).rejects.toThrow('without maxLength')
    await expect(tokenizer.encode(['a'], { pair: ['b', 'c'] })).rejects.toThrow('1 text and 2 pairs')
  })

  test.each<[string, object, string]>([
    [
      'no tokenizer.json',
      { 'tokenizer_config.json': '{}' },
      'page: no tokenizer.json; expected tokenizer.json and',
    ],
    [
      'a misspelt name',
      { 'tokenizer.json': '{}', 'tokenizer-config.json': '{}' },
      "page: a file 'tokenizer-config.json'",
    ],
    [
      'a list',
      { 'tokenizer.json': '{}', 'added_tokens.json': '[]' },
      'page/added_tokens.json: an empty list',
    ],
  ])('files in memory: %s', (_, contents, message) => {
    expect(() => AutoTokenizer.fromFiles(contents as TokenizerFileContents, 'page')).toThrow(message)
  })

  test('a template whose name is none for a file stays in the configuration', async () => {
    const names = ['default', 'tool_use', '../escaped', 'a/b', 'tool:use', 'NUL', 'x'.repeat(300)]
    const templates = names.map((name) => ({ name, template: `of ${name}` }))
    const folder = await folderWith('odd names', { 'tokenizer_config.json': { chat_template: templates } })
    const { copy, tokenizer } = await reload(folder)
    expect([...tokenizer.chatTemplates]).toEqual(templates.map(({ name, template }) => [name, template]))
    expect(readdirSync(copy, { recursive: true }).toSorted()).toEqual([
      'additional_chat_templates',
      'additional_chat_templates/tool_use.jinja',
      'chat_template.jinja',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
  })

  test('also one that came as a file, or in a GGUF file', () => {
    const contents: TokenizerFileContents = {
      'tokenizer.json': readFileSync(join(qwen, 'tokenizer.json')),
      'chat_template.jinja': 'usual',
      'additional_chat_templates/tool:use.jinja': 'with tools',
    }
    const files = AutoTokenizer.fromFiles(contents).toFiles()
    expect(Object.keys(files).toSorted()).toEqual([
      'chat_template.jinja',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    expect(Object.fromEntries(AutoTokenizer.fromFiles(files).chatTemplates)).toEqual({
      default: 'usual',
      'tool:use': 'with tools',
    })
  })

  test('files in memory are the same as files in a folder', async () => {
    const contents = {
      'tokenizer.json': readFileSync(join(qwen, 'tokenizer.json')),
      'tokenizer_config.json': JSON.stringify({ eos_token: '<|im_end|>', chat_template: 'inline' }),
      'additional_chat_templates/tool_use.jinja': 'with tools',
    }
    const tokenizer = AutoTokenizer.fromFiles(contents)
    expect(Object.fromEntries(tokenizer.chatTemplates)).toEqual({ default: 'inline', tool_use: 'with tools' })
    expect(AutoTokenizer.fromFiles(tokenizer.toFiles()).toFiles()).toEqual(tokenizer.toFiles())
    await tokenizer.save(join(scratch, 'from memory'))
    expect((await AutoTokenizer.fromPretrained(join(scratch, 'from memory'))).toFiles()).toEqual(
      tokenizer.toFiles(),
    )
  })
})
