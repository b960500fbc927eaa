import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { inspect } from 'node:util'
import { createContext, runInContext } from 'node:vm'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as chatEntry from '../src/chat-entry.ts'
import { AutoTokenizer, findStopSet } from '../src/index.ts'
import { conversations, loadTemplate, pinnedNow, recorded, templateSource } from './chat/fixtures.ts'
import { fixtures, readContents, readGolden, tokenizerCases } from './tokenizer/golden.ts'

// Not by its types: they name packages that are not there.
const { build } = (await import(String('tsdown'))) as { build(options: object): Promise<unknown> }

const root = join(import.meta.dirname, '..')
const entry = join(root, 'src', 'chat-entry.ts')

/** What a page has of the Web's interfaces, as far as fettle/chat needs them; Node's own globals are not there. */
const page = createContext({ TextEncoder, TextDecoder, atob, setTimeout })
let folder = ''

beforeAll(async () => {
  await mkdir(join(root, 'build'), { recursive: true })
  folder = await mkdtemp(join(root, 'build', 'page-'))
  await build({
    config: false,
    entry: { chat: entry },
    outDir: folder,
    format: 'iife',
    globalName: 'fettle',
    platform: 'browser',
    target: 'es2023',
    deps: { alwaysBundle: [/./] },
    minify: true,
    dts: false,
    logLevel: 'silent',
  })
  runInContext(await readFile(join(folder, 'chat.iife.js'), 'utf8'), page)
})
afterAll(() => rm(folder, { recursive: true }))

/** Calls a function in the page; values go to and fro as JSON. */
async function inPage(source: string, ...values: unknown[]): Promise<unknown> {
  const code = `(async (json) => JSON.stringify(await (${source})(...JSON.parse(json))))`
  const call = runInContext(code, page) as (json: string) => Promise<string>
  return JSON.parse(await call(JSON.stringify(values)))
}

test('nothing that it imports needs Node', () => {
  const files = new Set<string>()
  const packages = new Set<string>()
  const visit = (file: string) => {
    if (files.has(file)) return
    files.add(file)
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/^(?:import|export|\}).* from '([^']+)'$/gm))
      if (name.startsWith('.')) visit(resolve(dirname(file), name))
      else packages.add(name)
  }
  visit(entry)
  const names = Array.from(files, (file) => relative(root, file))
  expect(names).toContain('src/tokenizer/steps/models/bpe.ts')
  expect(names.filter((name) => name.startsWith('src/tokenizer/node/'))).toEqual([])
  expect([...packages].filter((name) => name === 'tokenizers' || name.startsWith('node:'))).toEqual([])
})

test('its types need none of Node', () => {
  const { options } = ts.convertCompilerOptionsFromJson(
    {
      ...ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config.compilerOptions,
      types: [],
      lib: ['ES2023', 'DOM'],
      skipLibCheck: true,
    },
    root,
  )
  const program = ts.createProgram([entry], options)
  const messages = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText, file }) => [file?.fileName, messageText])
  expect(messages).toEqual([])
})

test('a page has every function of the entry, and nothing of Node', async () => {
  expect(await inPage('() => Object.keys(fettle).sort()')).toEqual(Object.keys(chatEntry).toSorted())
  expect(await inPage('() => [typeof process, typeof Buffer, typeof require]')).toEqual(
    Array(3).fill('undefined'),
  )
})

test.each(tokenizerCases)('%s in a page: the tokens of transformers and of Node', async (name) => {
  const { strings } = readGolden(name)
  const texts = strings.map(({ text }) => text)
  const found = await inPage(
    '(contents, texts) => fettle.AutoTokenizer.fromFiles(contents).encode(texts)',
    readContents(name),
    texts,
  )
  expect(found).toMatchObject({ inputIds: strings.map(({ with_special }) => with_special.ids) })
  const tokenizer = await AutoTokenizer.fromPretrained(join(fixtures, name))
  expect(found).toEqual(await tokenizer.encode(texts))
})

const useTokenizer = `async (contents, messages, generationConfig) => {
  const tokenizer = fettle.AutoTokenizer.fromFiles(contents)
  const encoding = await tokenizer.encodeChat(messages)
  const config = fettle.parseGenerationConfig(generationConfig, 'generation_config.json')
  return {
    encoding,
    decoded: tokenizer.decode(encoding.inputIds),
    prompt: tokenizer.applyChatTemplate(messages.slice(0, -1), { addGenerationPrompt: true }),
    stopSet: fettle.findStopSet(tokenizer, config),
  }
}`

test.each(['bytebpe-qwen', 'spbpe-llama2'])('%s in a page: chats, masks and stop tokens', async (name) => {
  const { chat } = readGolden(name)
  if (chat === undefined) throw new Error(name)
  const generationConfig = { eos_token_id: [5, 2] }
  const found = await inPage(useTokenizer, readContents(name), chat.messages, generationConfig)
  expect(found).toMatchObject({
    encoding: { text: chat.text, inputIds: chat.ids, mask: chat.assistant_masks },
    prompt: chat.prompt_text,
  })
  const tokenizer = await AutoTokenizer.fromPretrained(join(fixtures, name))
  expect(found).toEqual({
    encoding: await tokenizer.encodeChat(chat.messages),
    decoded: tokenizer.decode(chat.ids),
    prompt: chat.prompt_text,
    stopSet: findStopSet(tokenizer, chatEntry.parseGenerationConfig(generationConfig, '')),
  })
})

/** A conversation in a template, and where learned spans are found in it, or why not. */
const findSpans = `(source, conversations, settings, now) => {
  const template = fettle.parseChatTemplate(source)
  return conversations.map((conversation) => {
    try {
      return fettle.findLearnedSpans(template, { ...conversation, now: new Date(now) }, settings)
    } catch (error) {
      return error.message
    }
  })
}`

describe('learned spans in a page are those of Node', () => {
  test.each(Object.entries(recorded))('%s', async (name, { bos_token: bosToken, eos_token: eosToken }) => {
    const settings = { bosToken, eosToken }
    const all = Object.values(conversations)
    const expected = all.map((conversation) => {
      try {
        return chatEntry.findLearnedSpans(loadTemplate(name), { ...conversation, now: pinnedNow }, settings)
      } catch (error) {
        return error instanceof Error ? error.message : error
      }
    })
    expect(await inPage(findSpans, templateSource(name), all, settings, pinnedNow.getTime())).toEqual(
      expected,
    )
  })
})

test('the example of docs/browser.md runs as it stands there', async () => {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(await readFile(join(root, 'docs', 'browser.md'), 'utf8')) ?? []
  const script = ts.transpile(code.replace(/^import \{(.*)\} from 'fettle\/chat'$/m, 'const {$1} = fettle'), {
    target: ts.ScriptTarget.ES2022,
  })
  const printed: unknown[] = []
  page.console = { log: (value: unknown) => printed.push(value) }
  page.fetch = (path: string) => ({
    text: () => readFile(join(root, path.replace('/models', 'assets')), 'utf8'),
  })
  await runInContext(`(async () => { ${script} })()`, page)
  const comments = [...code.matchAll(/ \/\/ (.*)$/gm)].map(([, comment]) => comment)
  expect(printed.map((value) => (typeof value === 'string' ? value : inspect(value)))).toEqual(comments)
})
