import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { onJobs } from '../../src/remote/hf-jobs/run-jobs.ts'
import { attach, cancel } from '../../src/remote/index.ts'
import { train, type TrainEvent } from '../../src/train/index.ts'
import { makeWorkplace } from '../cli/tiny-model.ts'
import { inputOf } from './handed.ts'
import { startStub, type Asked } from './stub-server.ts'

/** Answers in the form that @huggingface/hub 2.17 reads. */
const hardware = [
  {
    name: 'cpu-upgrade',
    prettyName: 'CPU Upgrade',
    cpu: '8 vCPU',
    ram: '32 GB',
    accelerator: null,
    unitCostUSD: 0.0005,
    unitLabel: 'minute',
  },
  {
    name: 'l4x1',
    prettyName: 'L4',
    cpu: '8 vCPU',
    ram: '30 GB',
    accelerator: { model: 'L4', quantity: '1', vram: '24 GB' },
    unitCostUSD: 0.8,
    unitLabel: 'hour',
  },
]

const logged = [
  'Loading weights',
  JSON.stringify({ time: 't', seq: 1, attempt: 1, type: 'start', first_step: 0 }),
  JSON.stringify({
    time: 't',
    seq: 2,
    attempt: 1,
    type: 'end',
    step: 1,
    interrupted: false,
    output_dir: '/tmp/run',
  }),
]

let status = 200
function answerOf({ method, path, body }: Asked): unknown {
  if (path === '/api/jobs/hardware') return hardware
  if (path === '/api/whoami-v2')
    return {
      type: 'user',
      id: '1',
      name: 'ada',
      fullname: 'Ada',
      email: '',
      emailVerified: true,
      orgs: [],
      auth: { type: 'access_token' },
    }
  if (path === '/api/repos/create') return { url: 'https://huggingface.co/datasets/ada/x', id: '1' }
  if (path.includes('/preupload/')) {
    const { files } = JSON.parse(String(body)) as { files: { path: string }[] }
    return {
      files: files.map((file) => ({ path: file.path, uploadMode: 'regular', shouldIgnore: false })),
      commitOid: '1',
    }
  }
  if (path.includes('/commit/')) return { success: true, commitOid: '2', commitUrl: 'u', hookOutput: '' }
  if (method === 'POST' && path === '/api/jobs/ada')
    return { type: 'job', id: 'job1', status: { stage: 'RUNNING', failureCount: 0 } }
  return { type: 'job', id: 'job1', status: { stage: 'COMPLETED', failureCount: 0 } }
}

let workplace: string
let stub: Awaited<ReturnType<typeof startStub>>
beforeAll(async () => {
  workplace = await makeWorkplace()
  stub = await startStub((asked, response) => {
    if (asked.path.endsWith('/logs')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return response.end(
        logged
          .map((data) => `data: ${JSON.stringify({ data, timestamp: '2026-01-01T00:00:00Z' })}\n\n`)
          .join(''),
      )
    }
    response.writeHead(status, { 'content-type': 'application/json' })
    return response.end(JSON.stringify(status === 200 ? answerOf(asked) : { error: 'Payment required' }))
  })
  vi.stubEnv('HF_ENDPOINT', stub.url.href)
  vi.stubEnv('HF_TOKEN', 'hf_test')
})
afterEach(() => {
  status = 200
  stub.asked.length = 0
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await stub.close()
  await rm(workplace, { recursive: true })
})

const model = { remoteModel: 'org/model' }

test('what a machine costs is said before, and what would be sent', async () => {
  const { cost, request } = await onJobs('l4x1', { ...model, timeoutHours: 2 })
  expect(cost).toBe(
    'l4x1 (1 × L4, 24 GB) costs $0.80 an hour, by the minute; at most $1.60 until it is ended after 2 h',
  )
  expect(request).toMatchObject({
    flavor: 'l4x1',
    timeoutSeconds: 7200,
    secrets: { HF_TOKEN: '…' },
    volumes: [
      { source: 'datasets/ada/fettle-<run id>-source', mountPath: '/source' },
      { source: 'org/model', mountPath: '/model' },
    ],
  })
  expect(stub.asked.every(({ method }) => method === 'GET')).toBe(true)
  expect((await onJobs('cpu-upgrade', model)).cost).toContain('costs $0.03 an hour')
})

test.each([
  [
    'no such machine',
    'l4',
    model,
    /no such flavour; expected cpu-upgrade \(\$0\.03 an hour\), l4x1 \(\$0\.80 an hour\)/,
  ],
  ['no model on the Hub', 'l4x1', {}, /--remote-model: not given/],
])('%s', async (_, flavor, options, message) => {
  await expect(onJobs(flavor, options)).rejects.toThrow(message)
})

test('no credit, with where to get some', async () => {
  status = 402
  await expect(onJobs('l4x1', model)).rejects.toThrow(
    /402 .*add credit at https:\/\/huggingface\.co\/settings\/billing/,
  )
})

test('no token', async () => {
  vi.stubEnv('HF_TOKEN', '')
  vi.stubEnv('HF_HOME', workplace)
  await expect(onJobs('l4x1', model)).rejects.toThrow(/HF_TOKEN: not set, and nobody is logged in/)
  vi.stubEnv('HF_TOKEN', 'mine')
  await expect(onJobs('l4x1', model)).rejects.toThrow(/HF_TOKEN: no token of Hugging Face/)
  vi.stubEnv('HF_TOKEN', 'hf_test')
})

async function eventsOn(flavor: string, output: string): Promise<TrainEvent[]> {
  const { execute } = await onJobs(flavor, model)
  const events: TrainEvent[] = []
  const input = await inputOf(workplace, { maxSteps: 1, outputDir: join(workplace, output) }, execute)
  for await (const event of train(input)) events.push(event)
  return events
}

/** The files of the commit that was sent. */
function committed(): Map<string, string> {
  const commit = stub.asked.find(({ path }) => path.includes('/commit/'))
  const lines = String(commit?.body)
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as { key: string; value: { path: string; content: string } })
  return new Map(
    lines
      .filter(({ key }) => key === 'file')
      .map(({ value }) => [value.path, String(Buffer.from(value.content, 'base64'))]),
  )
}

test('on a GPU runner and hand-off are sent and a job is run, to which one comes back', async () => {
  const events = await eventsOn('l4x1', 'gpu')
  expect(events.map(({ type }) => type)).toEqual(['start', 'end'])
  const { id } = (
    JSON.parse(await readFile(join(workplace, 'gpu', 'run.json'), 'utf8')) as { run: { id: string } }
  ).run
  expect(events.at(-1)).toMatchObject({ output_dir: `ada/fettle-${id.slice(0, 8)}` })
  const files = committed()
  expect([...files.keys()]).toEqual(
    expect.arrayContaining([
      'fettle_runner/train.py',
      'hand-off/run.json',
      'hand-off/shard-00000.safetensors',
    ]),
  )
  const job = JSON.parse(
    String(stub.asked.find(({ method, path }) => method === 'POST' && path === '/api/jobs/ada')?.body),
  ) as Record<string, unknown>
  expect(job).toMatchObject({ flavor: 'l4x1', secrets: { HF_TOKEN: 'hf_test' } })
  expect(String((job['command'] as string[])[2])).toContain(
    'python -m fettle_runner /source/hand-off --output /tmp/run --model /model',
  )
  const again: TrainEvent[] = []
  for await (const event of attach(join(workplace, 'gpu'))) again.push(event)
  expect(again).toEqual(events)
  await cancel(join(workplace, 'gpu'))
  expect(stub.asked.at(-1)?.path).toBe('/api/jobs/ada/job1/cancel')
})

test('on a processor fettle itself gets run file and data', async () => {
  await eventsOn('cpu-upgrade', 'cpu')
  const files = committed()
  const run = JSON.parse(files.get('run.yaml') ?? '') as Record<string, unknown>
  expect(run).toMatchObject({
    model: '/model',
    outputDir: '/tmp/run',
    maxSteps: 1,
    data: [{ path: '/source/data/0-train.jsonl' }],
  })
  expect(files.get('data/0-train.jsonl')).toBe(await readFile(join(workplace, 'train.jsonl'), 'utf8'))
})
