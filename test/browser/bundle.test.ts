// fettle/browser as npm run build makes it, in Node without Node's files: bench/browser.ts has it in Chromium.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { strToU8, unzipSync, zipSync } from 'fflate'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import type * as Entry from '../../src/browser-entry.ts'
import { listZip } from '../../src/formats/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { trainSft } from '../../src/train/index.ts'

const root = join(import.meta.dirname, '..', '..')
const bundle = join(root, 'dist', 'browser')
const scripts = readdirSync(bundle).filter((name) => name.endsWith('.js'))
const folder = mkdtempSync(join(tmpdir(), 'fettle-browser-'))
afterAll(() => rmSync(folder, { recursive: true }))

const textOf = (name: string): string => readFileSync(join(bundle, name), 'utf8')
const load = async () =>
  (await import(/* @vite-ignore */ pathToFileURL(join(bundle, 'index.js')).href)) as typeof Entry

/** What a script imports, at once or later. */
function importsOf(name: string, begin: RegExp): string[] {
  const pattern = new RegExp(`${begin.source}\\s*["'\`]([^"'\`]+)["'\`]`, 'g')
  return [...textOf(name).matchAll(pattern)].map(([, path]) => path)
}

test('imports nothing but its own files', () => {
  const paths = scripts.flatMap((name) => importsOf(name, /(?:\}\s*from|\bimport\(|^import|;import)/))
  expect(paths.length).toBeGreaterThan(5)
  expect(paths.filter((path) => !scripts.includes(path.replace('./', '')))).toEqual([])
})

test('what is loaded at once has less than 305 kB, compressed (the page of site/ needs less: npm run site counts)', () => {
  const loaded = new Set(['index.js'])
  for (const name of loaded)
    for (const path of importsOf(name, /(?:\}\s*from|^import|;import)/)) loaded.add(path.replace('./', ''))
  const bytes = [...loaded].reduce((sum, name) => sum + gzipSync(textOf(name)).length, 0)
  expect(bytes).toBeLessThan(305_000)
  expect([...loaded].filter((name) => /^(Arrow|reference|yaml)/.test(name))).toEqual([])
})

const files = [
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
]
const options = {
  outputDir: join(folder, 'run'),
  lora: { r: 4 },
  maxSteps: 2,
  maxLength: 64,
  perDeviceTrainBatchSize: 1,
  saveSteps: 0,
  evalSteps: 0,
} as const
const engine = { engine: 'wasm', threads: 1 } as const
const rows = readFileSync(join(root, 'assets', 'demo.jsonl'), 'utf8')
  .split('\n')
  .slice(0, 4)
  .join('\n')

test('trains on files in memory to the adapter of Node', async () => {
  const page = await load()
  page.setWasmSource(readFileSync(join(root, 'assets', 'engine.wasm')))
  const read = files.map((name) => [name, readFileSync(join(root, 'assets', 'tiny-llama', name))])
  await page.putFiles('/model', Object.fromEntries(read))
  await page.putFiles('/data', { 'rows.jsonl': new Blob([rows]) })
  const tokenizer = await page.AutoTokenizer.fromPretrained('/model')
  const model = await page.AutoModelForCausalLM.fromPretrained('/model', engine)
  const run = page.trainSft({ model, tokenizer, data: ['/data/rows.jsonl'], ...options, outputDir: '/run' })
  for await (const _ of run);
  await model.free()
  const { 'adapter_model.safetensors': theirs } = page.getFiles('/run')

  const mine = await AutoModelForCausalLM.fromPretrained(join(root, 'assets', 'tiny-llama'), engine)
  const data = [{ rows: rows.split('\n').map((row) => JSON.parse(row) as Record<string, unknown>) }]
  const own = await AutoTokenizer.fromPretrained(join(root, 'assets', 'tiny-llama'))
  for await (const _ of trainSft({ model: mine, tokenizer: own, data, ...options }));
  await mine.free()
  expect(Buffer.from(theirs).equals(readFileSync(join(options.outputDir, 'adapter_model.safetensors')))).toBe(
    true,
  )
})

test('keeps files by their paths, and gives them back as an archive', async () => {
  const { getFiles, putFiles, removeFiles, zipOf } = await load()
  await putFiles('/kept', { 'a.txt': 'first', 'in/b.bin': Uint8Array.of(0, 1, 255) })
  const kept = getFiles('/kept')
  expect(kept).toEqual({ 'a.txt': new TextEncoder().encode('first'), 'in/b.bin': Uint8Array.of(0, 1, 255) })
  const archive = new Uint8Array(await zipOf(kept).arrayBuffer())
  expect(unzipSync(archive)).toEqual(kept)
  const path = join(folder, 'kept.zip')
  writeFileSync(path, archive)
  // Checksums, too.
  for (const member of await listZip(path)) for await (const _ of member.open());
  removeFiles('/kept')
  expect(getFiles('/kept')).toEqual({})
})

test('reads rows from gzip, of two files put together too, from ZIP and from tables, and refuses what breaks off', async () => {
  const page = await load()
  const read = files.filter((name) => /^(tokenizer|chat)/.test(name))
  await page.putFiles(
    '/tokenizer',
    Object.fromEntries(
      read.map((name) => [name, readFileSync(join(root, 'assets', 'tiny-llama', name), 'utf8')]),
    ),
  )
  const tokenizer = await page.AutoTokenizer.fromPretrained('/tokenizer')
  const packed = Buffer.concat([gzipSync(`${rows}\n`), gzipSync(rows)])
  const archive = zipSync({ 'rows.jsonl': strToU8(rows) })
  await page.putFiles('/packed', {
    'rows.jsonl.gz': packed,
    'rows.zip': archive,
    'cut.jsonl.gz': packed.subarray(0, 100),
  })
  const count = async (name: string): Promise<number> => {
    let found = 0
    for await (const _ of page.inspect([`/packed/${name}`], tokenizer)) found += 1
    return found
  }
  expect([await count('rows.jsonl.gz'), await count('rows.zip')]).toEqual([8, 4])
  const table = 'prompt,completion\n"a, ""b""",c\n\n"two\nlines",e\n'
  await page.putFiles('/packed', { 'rows.csv': table, 'wrong.csv': `${table}one\n` })
  expect(await count('rows.csv')).toBe(2)
  await expect(count('wrong.csv')).rejects.toThrow(/^\/packed\/wrong\.csv:6/)
  await expect(count('cut.jsonl.gz')).rejects.toThrow(/^\/packed\/cut\.jsonl\.gz/)
})

describe('a model at an address', () => {
  const address = new URL('https://models.example/tiny')
  const shards = { 'model-1.safetensors': 'one', 'model-2.safetensors': 'two' }
  const index = JSON.stringify({
    weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors', c: 'model-1.safetensors' },
  })
  const split = {
    'config.json': '{}',
    'tokenizer.json': '{}',
    'model.safetensors.index.json': index,
    ...shards,
  }

  /** Answers for a folder; what was asked of it. */
  function serve(folder: string, files: Record<string, string>): string[] {
    const asked: string[] = []
    vi.stubGlobal('fetch', async (url: URL) => {
      asked.push(url.href)
      const text = url.href.startsWith(folder) ? files[url.href.slice(folder.length)] : undefined
      return text === undefined ? new Response('', { status: 404 }) : new Response(text)
    })
    return asked
  }
  afterEach(() => vi.unstubAllGlobals())

  test('its files with all shards, of huggingface.co too', async () => {
    const { getFiles, putModel } = await load()
    for (const [given, folder] of [
      [address.href, 'https://models.example/tiny/'],
      ['https://huggingface.co/owner/name', 'https://huggingface.co/owner/name/resolve/main/'],
    ]) {
      serve(folder, split)
      expect(await putModel('/split', new URL(given))).toBe('/split')
      expect(Object.keys(getFiles('/split')).toSorted()).toEqual(Object.keys(split).toSorted())
    }
  })

  test('a GGUF file', async () => {
    const { putModel } = await load()
    const asked = serve('https://models.example/a.gguf', { '?download': 'GGUF' })
    expect(await putModel('/gguf', new URL('https://models.example/a.gguf?download'))).toBe('/gguf/a.gguf')
    expect(asked).toHaveLength(1)
  })

  const { 'model-2.safetensors': _, ...incomplete } = split
  test.each<[string, Record<string, string>, string]>([
    ['nothing', {}, 'https://models.example/tiny/config.json: the answer 404; expected a file'],
    ['no weights', { 'config.json': '{}' }, 'https://models.example/tiny/: neither model.safetensors nor'],
    ['a shard that is missing', incomplete, 'model-2.safetensors: the answer 404'],
  ])('%s', async (_name, files, expected) => {
    const { putModel } = await load()
    serve('https://models.example/tiny/', files)
    await expect(putModel('/wrong', address)).rejects.toThrow(expected)
  })

  test('no answer', async () => {
    const { putModel } = await load()
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
    await expect(putModel('/wrong', address)).rejects.toThrow('no answer (Failed to fetch)')
  })
})
