import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { listZip } from '../../src/formats/index.ts'
import { attach, cancel } from '../../src/remote/index.ts'
import { createJobsClient } from '../../src/remote/ray/jobs-client.ts'
import { onRay } from '../../src/remote/ray/run-ray.ts'
import { zipOf } from '../../src/remote/ray/zip.ts'
import { train, type TrainEvent } from '../../src/train/index.ts'
import { makeWorkplace } from '../cli/tiny-model.ts'
import { inputOf } from './handed.ts'
import { startStub, type Asked } from './stub-server.ts'

interface Recorded {
  status: number
  text: string
  frames: string
}

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'remote', 'ray-api.json'), 'utf8'),
) as Record<string, Recorded>

/** What the recorded head node says to a request. */
function nameOf({ method, path }: Asked): string {
  if (path === '/api/version') return 'version'
  if (path.startsWith('/api/packages/')) return method === 'PUT' ? 'package put' : 'package absent'
  if (path === '/api/jobs/') return 'submit'
  if (path === '/api/jobs') return 'submit without its slash'
  if (path.endsWith('/stop')) return 'stop'
  return path.includes('none') ? 'state of none' : 'state'
}

let workplace: string
let stub: Awaited<ReturnType<typeof startStub>>
let names: (asked: Asked) => string = nameOf
let frames: Buffer = Buffer.alloc(0)
/** The whole log, where it is asked for. */
let log = ''
beforeAll(async () => {
  workplace = await makeWorkplace()
  stub = await startStub(
    (asked, response) => {
      if (log !== '' && asked.path.endsWith('/logs')) return void response.end(JSON.stringify({ logs: log }))
      const { status, text } = recorded[names(asked)]
      response.writeHead(status).end(text)
    },
    (_, socket) => {
      // A frame may come in pieces, and several at once.
      const half = Math.floor(frames.length / 2)
      socket.write(frames.subarray(0, half))
      setTimeout(() => socket.end(frames.subarray(half)), 5)
    },
  )
})
afterEach(() => {
  stub.asked.length = 0
  names = nameOf
  log = ''
  frames = Buffer.from(recorded['tail'].frames, 'base64')
})
afterAll(async () => {
  await stub.close()
  await rm(workplace, { recursive: true })
})

/** A frame of text as a server sends it. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text)
  const head = Buffer.alloc(4)
  head.writeUInt16BE(0x817e)
  head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}

const line = (seq: number, event: object) => `${JSON.stringify({ time: 't', seq, attempt: 1, ...event })}\n`
const closing = Buffer.from([0x88, 2, 3, 0xe8])

test('the client speaks as the recorded head node understands', async () => {
  const client = createJobsClient(stub.url)
  frames = Buffer.from(recorded['tail'].frames, 'base64')
  expect(await client.version()).toBe('2.60.0')
  expect(await client.upload(Buffer.from('PK'))).toMatch(/^gcs:\/\/_ray_pkg_[0-9a-f]{32}\.zip$/)
  await client.submit({ entrypoint: 'true', submission_id: 'fettle-recorded', runtime_env: {} })
  expect((await client.state('fettle-recorded')).status).toBe('SUCCEEDED')
  let log = ''
  for await (const piece of client.logs('fettle-recorded')) log += piece
  expect(log).toContain('Running entrypoint for job fettle-recorded')
  expect(log.match(/"seq": \d/g)).toEqual(['"seq": 1', '"seq": 2', '"seq": 3'])
  await client.stop('fettle-recorded')
  expect(stub.asked.map(({ method, path }) => `${method} ${path.replace(/[0-9a-f]{32}/, '…')}`)).toEqual([
    'GET /api/version',
    'GET /api/packages/gcs/_ray_pkg_….zip',
    'PUT /api/packages/gcs/_ray_pkg_….zip',
    'POST /api/jobs/',
    'GET /api/jobs/fettle-recorded',
    'GET /api/jobs/fettle-recorded/logs/tail',
    'POST /api/jobs/fettle-recorded/stop',
  ])
  // What fetch would say, and Ray refuses.
  expect(stub.asked.some(({ headers }) => 'sec-fetch-mode' in headers)).toBe(false)
})

test('what the cluster has is not uploaded again', async () => {
  names = () => 'package present'
  await createJobsClient(stub.url).upload(Buffer.from('PK'))
  expect(stub.asked.map(({ method }) => method)).toEqual(['GET'])
})

test.each([
  [
    'an upload that is too large',
    'package too large',
    /413 Maximum request body size.*shared|413.*storage that the cluster sees/,
  ],
  ['a path that is another one', 'submit without its slash', /404/],
  ['a name that is taken', 'submit twice', /500/],
])('%s is an error with its cure', async (_, name, message) => {
  names = ({ method }) => (method === 'GET' ? 'package absent' : name)
  await expect(createJobsClient(stub.url).upload(Buffer.from('PK'))).rejects.toThrow(message)
})

test('a cluster that is not there is named, with how to look', async () => {
  await expect(createJobsClient(new URL('http://127.0.0.1:1')).version()).rejects.toThrow(
    /127\.0\.0\.1:1: no connection .*ECONNREFUSED.*curl http:\/\/127\.0\.0\.1:1\/api\/version/,
  )
})

test('a run is uploaded with its rows, started, and read to its end; whoever comes back reads it again', async () => {
  const output = join(workplace, 'run')
  const told = [
    { type: 'start', first_step: 0 },
    { type: 'step', step: 1 },
    { type: 'end', step: 1, interrupted: false },
  ]
  // The log is lost in the middle: read again, its events do not come twice.
  frames = Buffer.concat([frameOf(told.map((event, i) => line(i + 1, event)).join('')), closing])
  const events: TrainEvent[] = []
  const input = await inputOf(
    workplace,
    { maxSteps: 1, outputDir: output },
    onRay(stub.url, { workers: 2, python: '/venv/bin/python' }),
  )
  for await (const event of train(input)) events.push(event)
  expect(events).toEqual(told)
  const put = stub.asked.find(({ method }) => method === 'PUT')
  const archive = join(workplace, 'sent.zip')
  await writeFile(archive, put?.body ?? '')
  const members = (await listZip(archive)).map(({ name }) => name)
  for (const name of [
    'fettle_runner/ray_job.py',
    'hand-off/run.json',
    'hand-off/adapter_init/tokenizer.json',
  ])
    expect(members).toContain(name)
  const submitted = JSON.parse(String(stub.asked.find(({ path }) => path === '/api/jobs/')?.body)) as Record<
    string,
    string
  >
  expect(submitted['entrypoint']).toBe(
    `/venv/bin/python -m fettle_runner.ray_job hand-off --output ${output} --workers 2`,
  )
  expect(JSON.parse(await readFile(join(output, 'remote.json'), 'utf8'))).toMatchObject({ on: 'ray', output })
  const again: TrainEvent[] = []
  for await (const event of attach(output)) again.push(event)
  expect(again).toEqual(told)
  stub.asked.length = 0
  await cancel(output)
  expect(stub.asked.map(({ path }) => path.endsWith('/stop'))).toEqual([true])
})

test('a stream that ends before the last lines of the log is made whole', async () => {
  const told = [1, 2, 3].map((step) =>
    line(step, step === 3 ? { type: 'end', step } : { type: 'step', step }),
  )
  frames = Buffer.concat([frameOf(told[0]), closing])
  log = told.join('')
  const events: TrainEvent[] = []
  for await (const event of attach(join(workplace, 'run'))) events.push(event)
  expect(events.map(({ type }) => type)).toEqual(['step', 'step', 'end'])
})

test('Ctrl-C leaves the file that workers look for', async () => {
  const output = join(workplace, 'run')
  frames = Buffer.concat([frameOf(line(1, { type: 'end', step: 1, interrupted: true })), closing])
  const stop = new AbortController()
  stop.abort()
  for await (const _ of attach(output, stop.signal));
  expect(existsSync(join(output, 'stop'))).toBe(true)
})

test('what the runner tells that went wrong is an error of fettle', async () => {
  const output = join(workplace, 'run')
  frames = frameOf(
    line(1, { type: 'error', place: 'memory of cuda:0', found: 'none left', cure: 'Set max_length.' }),
  )
  const read = async () => {
    for await (const _ of attach(output));
  }
  await expect(read()).rejects.toThrow('memory of cuda:0: none left. Set max_length.')
})

test('a folder of no such run is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fettle-remote-'))
  await expect(cancel(folder)).rejects.toThrow(/remote\.json: no such file; expected the folder of a run/)
  await rm(folder, { recursive: true })
})

test('an archive is one that a reader of archives reads, if it is not too large', async () => {
  const files = [
    { name: 'a/b.txt', data: Buffer.from('water '.repeat(100)) },
    { name: 'ä.txt', data: Buffer.alloc(0) },
  ]
  const named = files.map(({ name }, i) => ({ name, path: join(workplace, `member-${i}`) }))
  await Promise.all(named.map(({ path }, i) => writeFile(path, files[i].data)))
  const path = join(workplace, 'own.zip')
  await writeFile(path, (await zipOf(named, 1 << 20)) ?? '')
  const read = await Promise.all(
    (await listZip(path)).map(async ({ name, open }) => ({
      name,
      data: Buffer.concat(await open().toArray()),
    })),
  )
  expect(read).toEqual(files)
  expect(await zipOf(named, 100)).toBeUndefined()
})
