import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { exportModel } from '../../src/export/index.ts'
import { pushModel } from '../../src/export/push/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { trainSft } from '../../src/train/index.ts'
import { makeWorkplace } from '../cli/tiny-model.ts'
import { startStub, type Asked } from '../remote/stub-server.ts'

const base = 'org/tiny'
const token = 'hf_test'

/** Statuses that the stub answers with, by the path that is asked; else it does what is asked. */
let statuses: [RegExp, number][] = []
let isExistingPrivate = true
let role = 'write'

/** Answers in the form that @huggingface/hub 2.17 reads. Weights go to large file storage, as the Hub decides it. */
function answerOf({ path, body, headers }: Asked): unknown {
  if (path === '/api/whoami-v2')
    return { type: 'user', id: '1', name: 'ada', auth: { type: 'access_token', accessToken: { role } } }
  if (path.startsWith(`/api/models/${base}/`)) return { _id: '2', id: base, private: false }
  if (path.startsWith('/api/models/ada/there/revision'))
    return { _id: '3', id: 'ada/there', private: isExistingPrivate }
  if (path === '/api/repos/create') return { url: 'https://huggingface.co/ada/first', id: '4' }
  if (path.includes('/preupload/')) {
    const { files } = JSON.parse(String(body)) as { files: { path: string }[] }
    const uploadMode = (name: string) => (/\.(safetensors|gguf)$/.test(name) ? 'lfs' : 'regular')
    return {
      files: files.map((file) => ({
        path: file.path,
        uploadMode: uploadMode(file.path),
        shouldIgnore: false,
      })),
    }
  }
  if (path.endsWith('/info/lfs/objects/batch')) {
    const { objects } = JSON.parse(String(body)) as { objects: { oid: string; size: number }[] }
    const href = (oid: string) => `http://${headers.host}/storage/${oid}`
    return {
      transfer: 'basic',
      objects: objects.map(({ oid, size }) => ({ oid, size, actions: { upload: { href: href(oid) } } })),
    }
  }
  if (path.includes('/commit/')) return { success: true, commitOid: 'c0ffee', commitUrl: 'u', hookOutput: '' }
  return {}
}

let stub: Awaited<ReturnType<typeof startStub>>
let workplace: string
let run: string
beforeAll(async () => {
  stub = await startStub((asked, response: ServerResponse) => {
    const [, status = 200] = statuses.find(([pattern]) => pattern.test(asked.path)) ?? []
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(status === 200 ? answerOf(asked) : { error: 'so it is' }))
  })
  workplace = await makeWorkplace()
  run = join(workplace, 'runs', 'first')
  const model = await AutoModelForCausalLM.fromPretrained(join(workplace, 'model'), { engine: 'reference' })
  const tokenizer = await AutoTokenizer.fromPretrained(join(workplace, 'model'))
  const data = [{ path: join(workplace, 'train.jsonl') }]
  const lora = { r: 2, targetModules: ['q_proj'] }
  const options = {
    data,
    evalData: data,
    lora,
    maxLength: 64,
    maxSteps: 2,
    saveSteps: 1,
    sampleMaxNewTokens: 0,
  }
  for await (const _ of trainSft({ model, tokenizer, outputDir: run, ...options }));
  model.free()
  vi.stubEnv('HF_ENDPOINT', stub.url.href)
  vi.stubEnv('HF_HOME', join(workplace, 'no-home'))
})
beforeEach(() => {
  statuses = []
  isExistingPrivate = true
  role = 'write'
  stub.asked.length = 0
  vi.stubEnv('HF_TOKEN', token)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await stub.close()
  rmSync(workplace, { recursive: true })
})

/** The files of the commit: their text, or what large file storage knows them by. */
function committed(): Map<string, string> {
  const commit = stub.asked.find(({ path }) => path.includes('/commit/'))
  const lines = String(commit?.body ?? '')
    .split('\n')
    .filter((line) => line !== '')
  const parsed = lines.map(
    (line) => JSON.parse(line) as { key: string; value: { path: string; content?: string; oid?: string } },
  )
  return new Map(
    parsed
      .filter(({ key }) => key !== 'header')
      .map(({ value: { path, content, oid } }) => [
        path,
        content === undefined ? `lfs ${oid}` : String(Buffer.from(content, 'base64')),
      ]),
  )
}

test('a run: the adapter goes, with a card; events, checkpoints and data stay', async () => {
  const seen: string[] = []
  const { url, commit, files, leftOut } = await pushModel({
    path: run,
    repo: 'first',
    baseModel: base,
    license: 'mit',
    private: true,
    onProgress: ({ path, state }) => seen.push(`${state} ${path}`),
  })
  expect([url, commit]).toEqual([`${stub.url.origin}/ada/first`, 'c0ffee'])
  const sent = committed()
  expect([...sent.keys()].toSorted()).toEqual([
    'README.md',
    'adapter_config.json',
    'adapter_model.safetensors',
    'chat_template.jinja',
    'generation_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ])
  expect(files.map(({ path }) => path).toSorted()).toEqual([...sent.keys()].toSorted())
  expect(leftOut.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['checkpoint-1/', 'events.jsonl', 'report.html', 'run.json']),
  )
  // Nothing that went names a place of this machine, or says a word of the data.
  const all = stub.asked.map(({ body }) => String(body)).join('\n') + [...sent.values()].join('\n')
  expect(all).not.toContain(workplace)
  expect([...sent.values()].filter((text) => text.includes('What is the sea?'))).toEqual([])
  expect(JSON.parse(sent.get('adapter_config.json') ?? '')).toMatchObject({
    base_model_name_or_path: base,
    r: 2,
  })
  const stored = stub.asked.find(({ method }) => method === 'PUT')
  expect(stored?.body.equals(readFileSync(join(run, 'adapter_model.safetensors')))).toBe(true)
  expect(sent.get('adapter_model.safetensors')).toBe(`lfs ${stored?.path.split('/').at(-1)}`)
  expect(JSON.parse(String(stub.asked.find(({ path }) => path === '/api/repos/create')?.body))).toMatchObject(
    {
      name: 'first',
      organization: 'ada',
      visibility: 'private',
      type: 'model',
    },
  )
  expect(
    stub.asked.every(
      ({ method, headers }) => method === 'PUT' || headers.authorization === `Bearer ${token}`,
    ),
  ).toBe(true)
  expect(seen).toContain('hashing adapter_model.safetensors')
})

test('the card says base, licence, data by its hashes, tokens and losses', async () => {
  const { files } = await pushModel({
    path: run,
    repo: 'ada/first',
    baseModel: base,
    license: 'mit',
    dryRun: true,
  })
  const record = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as {
    identity: {
      base: string
      data: { hash: string; tokens: number; files: { path: string; hash: string }[] }
    }
  }
  const card = files.find(({ path }) => path === 'README.md')?.content ?? ''
  const { data } = record.identity
  expect(card).toMatch(
    /^---\nlicense: "mit"\nbase_model: org\/tiny\nbase_model_relation: adapter\nlibrary_name: peft\n/,
  )
  expect(card).toContain('AutoPeftModelForCausalLM.from_pretrained("ada/first")')
  expect(card).toContain(`| tokens | ${data.tokens} |`)
  expect(card).toContain('| of these learned | ')
  expect(card).toContain(data.hash.replace('sha256:', ''))
  expect(card).toContain(`| train.jsonl | \`${data.files[0].hash.replace('sha256:', '')}\` |`)
  expect(card).toMatch(/\| training, after 1 step \| \d+\.\d{4} \|\n\| training, after 2 steps \| \d/)
  expect(card).toMatch(/\| held out, after 0 steps \| \d+\.\d{4}/)
  expect(card).toContain('| `lora.r` | 2 |')
})

test('a dry run asks nothing, needs no token, and says what the upload sends', async () => {
  vi.stubEnv('HF_TOKEN', '')
  const options = { path: run, repo: 'ada/first', baseModel: base }
  const dry = await pushModel({ ...options, dryRun: true })
  expect(stub.asked).toEqual([])
  expect([dry.url, dry.commit]).toEqual([null, null])
  vi.stubEnv('HF_TOKEN', token)
  const { files } = await pushModel(options)
  expect(files).toEqual(dry.files)
  const sent = committed()
  for (const { path, content, sha256 } of dry.files)
    expect(sent.get(path)).toBe(
      path.endsWith('.safetensors') ? `lfs ${sha256}` : (content ?? readFileSync(join(run, path), 'utf8')),
    )
})

test('a file that is asked for goes too', async () => {
  await pushModel({ path: run, repo: 'ada/first', baseModel: base, include: ['events.jsonl'] })
  expect(committed().get('events.jsonl')).toBe(readFileSync(join(run, 'events.jsonl'), 'utf8'))
})

test('an export: its certificate goes without its rows, and leads to the run', async () => {
  const folder = join(workplace, 'merged')
  await exportModel({
    model: join(workplace, 'model'),
    adapter: run,
    format: 'safetensors',
    output: folder,
    engine: 'reference',
    evalData: join(workplace, 'train.jsonl'),
    certificateRows: 1,
  })
  const { files, leftOut } = await pushModel({ path: folder, repo: 'ada/m', baseModel: 'none', dryRun: true })
  const textOf = (name: string) => files.find(({ path }) => path === name)?.content ?? ''
  expect(textOf('certificate.json')).not.toContain(workplace)
  expect(textOf('certificate.json')).not.toContain('What is the sea?')
  const whole = JSON.parse(readFileSync(join(folder, 'certificate.json'), 'utf8')) as {
    base: { files: unknown[] }
  }
  expect(whole.base.files).toHaveLength(
    (JSON.parse(textOf('certificate.json')) as { base: { files: unknown[] } }).base.files.length,
  )
  expect(textOf('README.md')).toMatch(/## Certificate\n\n[^#]*\| stored \| fettle/)
  expect(textOf('README.md')).toContain('| training, after 2 steps |')
  expect(leftOut).toContainEqual({ path: 'certificate.html', why: 'has evaluation rows in it' })
})

test('a GGUF file goes alone, its parts with it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-push-'))
  const others = ['a-00001-of-00002.gguf', 'a-00002-of-00002.gguf', 'b.gguf', 'notes.txt']
  for (const name of others) writeFileSync(join(folder, name), name)
  const sent = async (name: string) =>
    (await pushModel({ path: join(folder, name), repo: 'ada/g', dryRun: true })).files.map(({ path }) => path)
  expect(await sent('b.gguf')).toEqual(['README.md', 'b.gguf'])
  expect(await sent('a-00001-of-00002.gguf')).toEqual(['README.md', ...others.slice(0, 2)])
  rmSync(folder, { recursive: true })
})

describe('what is wrong is said before anything is sent', () => {
  const good = { repo: 'ada/first', baseModel: base }
  const push = (options: object = {}) => pushModel({ path: run, ...good, ...options })
  const sentNothing = () => expect(stub.asked.filter(({ method }) => method === 'PUT')).toEqual([])

  test('no token', async () => {
    vi.stubEnv('HF_TOKEN', '')
    await expect(push()).rejects.toThrow(/HF_TOKEN: not set, and nobody is logged in.*hf auth login/)
    expect(stub.asked).toEqual([])
  })

  test('the token of hf auth login', async () => {
    vi.stubEnv('HF_TOKEN', '')
    const home = join(workplace, 'home')
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'token'), 'hf_other\n')
    vi.stubEnv('HF_HOME', home)
    await push()
    expect(stub.asked[0].headers.authorization).toBe('Bearer hf_other')
    vi.stubEnv('HF_HOME', join(workplace, 'no-home'))
  })

  const refusals: { name: string; when: [RegExp, number][]; says: RegExp }[] = [
    {
      name: 'a token that is not valid',
      when: [[/whoami/, 401]],
      says: /no user: 401 so it is.*The token is not valid/,
    },
    {
      name: 'no right to write',
      when: [[/repos\/create/, 403]],
      says: /403.*may not write to ada: give it that right.*push to ada\/first/,
    },
    {
      name: 'a repository that is there',
      when: [[/repos\/create/, 409]],
      says: /repository ada\/first: there already; expected a new one.*--force/,
    },
    {
      name: 'a base that is not on the Hub',
      when: [[/models\/org/, 404]],
      says: /baseModel: org\/tiny, which is not on the Hub.*--base-model/,
    },
    {
      name: 'a Hub in trouble',
      when: [[/commit/, 503]],
      says: /no upload to ada\/first: 503.*was made and is empty: push again with --force/,
    },
    { name: 'too often', when: [[/preupload/, 429]], says: /429.*wait a little/ },
  ]
  test.each(refusals)('$name', async ({ when, says }) => {
    statuses = when
    await expect(push()).rejects.toMatchObject({ message: expect.stringMatching(says), exitCode: 1 })
  })

  test('nobody answers', async () => {
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9')
    await expect(push()).rejects.toThrow(
      /http:\/\/127\.0\.0\.1:9: no user: fetch failed \(.+\)\. Look whether this machine reaches the Hub/,
    )
    vi.stubEnv('HF_ENDPOINT', stub.url.href)
  })

  test('a token that may only read', async () => {
    role = 'read'
    await expect(push()).rejects.toThrow(/HF_TOKEN: a token of ada that may only read/)
    sentNothing()
  })

  test('an existing repository is written into where that was said, a public one not in private', async () => {
    statuses = [[/repos\/create/, 409]]
    const there = { repo: 'ada/there', overwrite: true, private: true }
    expect((await push(there)).commit).toBe('c0ffee')
    stub.asked.length = 0
    isExistingPrivate = false
    await expect(push(there)).rejects.toThrow(/ada\/there: a public repository; expected a private one/)
    sentNothing()
  })

  test('a base that only this machine has', async () => {
    await expect(push({ baseModel: undefined, dryRun: true })).rejects.toThrow(
      /adapter_config\.json: base_model_name_or_path: no name of the Hub, so that nobody else could load the adapter.*--base-model/,
    )
    await expect(push({ baseModel: 'none', dryRun: true })).rejects.toThrow(
      /baseModel: none; expected the name of the base/,
    )
  })

  test('secrets', async () => {
    const folder = join(workplace, 'secret')
    cpSync(join(workplace, 'adapter'), folder, { recursive: true })
    const secret = `hf_${'a1'.repeat(17)}`
    writeFileSync(join(folder, 'README.md'), `# Mine\n\nexport HF_TOKEN=${secret}\n`)
    const refusal = pushModel({ path: folder, ...good })
    await expect(refusal).rejects.toThrow(/README\.md: what looks like a token of Hugging Face/)
    await expect(refusal).rejects.not.toThrow(secret)
    sentNothing()
  })

  const inputs: [string, object, RegExp][] = [
    ['no folder', { path: 'nowhere' }, /^nowhere: no such file or folder; expected the folder of a run/],
    ['a folder that is no model', { path: import.meta.dirname }, /no model; expected an adapter/],
    ['a file that is no model', { path: import.meta.filename }, /a file; expected a folder or a \.gguf file/],
    ['a name that is none', { repo: 'ada/b/c' }, /repo: 'ada\/b\/c'; expected owner\/name/],
    ['an extra file that is not there', { include: ['*.pt'] }, /include: \*\.pt: no such file/],
    ['a run that is none', { run: import.meta.dirname }, /run: no run\.json/],
  ]
  test.each(inputs)('%s', async (_, options, says) => {
    await expect(push({ dryRun: true, ...options })).rejects.toThrow(says)
  })
})

test('Ctrl-C ends it before anything is committed', async () => {
  const controller = new AbortController()
  const pushing = pushModel({
    path: run,
    repo: 'ada/first',
    baseModel: base,
    signal: controller.signal,
    onProgress: () => controller.abort(),
  })
  await expect(pushing).rejects.toThrow(/abort/i)
  expect(committed().size).toBe(0)
})
