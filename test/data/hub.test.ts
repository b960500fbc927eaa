import { createServer } from 'node:http'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, test, vi } from 'vitest'
import { holdsData, readRows, resolveFiles, type DataSource } from '../../src/data/index.ts'
import { parseHubName } from '../../src/data/sources/hub-cache.ts'

const sha = 'a'.repeat(40)
const files: Record<string, string> = {
  'README.md': '---\nconfigs:\n- config_name: default\n  data_files: data/*.jsonl\n---\n',
  'data/b.jsonl': '{"text": "b"}\n',
  'data/a.jsonl': '{"text": "a"}\n{"text": "a2"}\n',
  'other/x.txt': 'x\n',
}

/** What is asked of a stand-in for the Hub. */
let asked: string[] = []
const server = createServer((request, response) => {
  const url = decodeURIComponent(request.url ?? '').replace(/\?.*/, '')
  asked.push(`${request.method} ${url} ${request.headers.authorization ?? ''}`.trim())
  const send = (value: unknown) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(value))
  }
  const entry = (path: string) => ({
    type: 'file',
    path,
    oid: `oid-${path.replace('/', '-')}`,
    size: files[path].length,
  })
  const [, file] = /\/resolve\/a{40}\/(.*)$/.exec(url) ?? []
  if (url === '/api/datasets/owner/set/revision/main')
    send({ _id: '1', id: 'owner/set', sha, private: false })
  else if (url === `/api/datasets/owner/set/tree/${sha}`) send(Object.keys(files).map(entry))
  else if (url === `/api/datasets/owner/set/paths-info/${sha}`) {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => send((JSON.parse(body) as { paths: string[] }).paths.map(entry)))
  } else if (file !== undefined && file in files) {
    const text = files[file]
    response.setHeader('etag', `"${file}"`)
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
    const part = from === undefined ? text : text.slice(Number(from), Number(to) + 1)
    response.statusCode = from === undefined ? 200 : 206
    response.setHeader('content-range', `bytes ${from ?? 0}-${to ?? text.length - 1}/${text.length}`)
    response.end(part)
  } else {
    response.statusCode = 404
    send({ error: 'Repository not found' })
  }
})

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => void server.close())
afterEach(() => vi.unstubAllEnvs())

function useHub(options: { isThere?: boolean } = {}): string {
  const cache = mkdtempSync(join(tmpdir(), 'fettle-hub-'))
  const { port } = server.address() as AddressInfo
  vi.stubEnv('HF_HUB_CACHE', cache)
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${options.isThere === false ? 1 : port}`)
  vi.stubEnv('HF_TOKEN', 'hf_secret')
  vi.stubEnv('HF_HUB_OFFLINE', '')
  asked = []
  return cache
}

async function textsOf(source: DataSource): Promise<unknown[]> {
  const texts = []
  for await (const { value } of readRows(source)) texts.push(value['text'])
  return texts
}

test('a data set comes from the Hub into its cache, and from there without a network', async () => {
  const cache = useHub()
  expect(await textsOf({ path: 'owner/set' })).toEqual(['a', 'a2', 'b'])
  const folder = join(cache, 'datasets--owner--set')
  expect(readFileSync(join(folder, 'refs', 'main'), 'utf8')).toBe(sha)
  expect(readdirSync(join(folder, 'snapshots', sha)).sort()).toEqual(['README.md', 'data'])
  expect(asked.every((line) => line.endsWith('Bearer hf_secret'))).toBe(true)
  expect(await textsOf({ path: `hf://datasets/owner/set@main/data/a.jsonl:train[1:]` })).toEqual(['a2'])
  expect(await textsOf({ path: 'hf://datasets/owner/set/data/*' })).toEqual(['a', 'a2', 'b'])
  expect(await textsOf({ path: 'hf://datasets/owner/set/other' })).toEqual(['x'])
  await expect(textsOf({ path: 'hf://datasets/owner/set/none' })).rejects.toThrow(
    'hf://datasets/owner/set/none',
  )

  asked = []
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  expect(await textsOf({ path: 'owner/set' })).toEqual(['a', 'a2', 'b'])
  expect(asked).toEqual([])
  vi.stubEnv('HF_HUB_OFFLINE', '')
  vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1')
  expect(await textsOf({ path: 'owner/set:train[:1]' })).toEqual(['a'])
  expect((await resolveFiles({ path: 'owner/set' }))?.every((file) => existsSync(file))).toBe(true)
  expect(await holdsData('owner/set')).toBe(true)
})

test('the snapshot that other programs fetched is read by its branch', async () => {
  const cache = useHub({ isThere: false })
  const folder = join(cache, 'datasets--some--thing')
  for (const commit of ['1', '2']) {
    mkdirSync(join(folder, 'snapshots', commit), { recursive: true })
    writeFileSync(join(folder, 'snapshots', commit, 'a.jsonl'), `{"text": "${commit}"}\n`)
  }
  mkdirSync(join(folder, 'refs'))
  writeFileSync(join(folder, 'refs', 'main'), '2\n')
  expect(await textsOf({ path: 'some/thing' })).toEqual(['2'])
  expect(await textsOf({ path: 'some/thing@1' })).toEqual(['1'])
})

test('what neither the Hub nor the cache has is refused with what to do', async () => {
  useHub()
  await expect(textsOf({ path: 'owner/none' })).rejects.toThrow('the Hub has no such data set')
  useHub({ isThere: false })
  await expect(textsOf({ path: 'owner/set' })).rejects.toThrow(
    /owner\/set: no such file or folder here, and no copy in .*; the Hub cannot be reached .* hf download owner\/set --repo-type dataset/,
  )
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  await expect(textsOf({ path: 'owner/set' })).rejects.toThrow('HF_HUB_OFFLINE is set')
  asked = []
  await expect(textsOf({ path: 'data/missing.jsonl' })).rejects.toThrow(
    'data/missing.jsonl: no such file or folder;',
  )
  expect(asked).toEqual([])
})

it.each([
  ['owner/name', { id: 'owner/name', revision: 'main', path: '' }],
  ['owner/name@v1', { id: 'owner/name', revision: 'v1', path: '' }],
  ['hf://datasets/squad', { id: 'squad', revision: 'main', path: '' }],
  ['hf://datasets/o/n@refs%2Fpr%2F1/a/b.csv', { id: 'o/n', revision: 'refs/pr/1', path: 'a/b.csv' }],
  ['hf://models/o/n', undefined],
  ['../o', undefined],
  ['a/b/c', undefined],
])('%s names what of the Hub', (text, expected) => {
  expect(parseHubName(text)).toEqual(expected)
})
