import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EndEvent, TrainEvent } from '../../src/train/index.ts'
import { readTrainOptions } from '../../src/train/options/read-options.ts'
import { trackersOf } from '../../src/train/trackers/index.ts'
import { createTensorBoard, crc32c, record } from '../../src/train/trackers/tensorboard.ts'
import { scalarsOf } from '../../src/train/trackers/tracker.ts'
import { events } from './recorded-events.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-trackers-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const optionsOf = (given: object) => readTrainOptions({ data: ['not read'], ...given })

it('an event’s numbers have the names of transformers’ trackers', () => {
  const [step, evaluation] = [
    events.find(({ type }) => type === 'step'),
    events.find(({ type }) => type === 'eval'),
  ]
  expect(step && scalarsOf(step)).toMatchObject({
    'train/loss': 3,
    'train/grad_norm': 1.5,
    'train/rewards/margins': 0.5,
  })
  expect(evaluation && scalarsOf(evaluation)).toMatchObject({ 'eval/loss': 2.5, 'eval/loss/a.jsonl': 2 })
})

describe('TensorBoard', () => {
  it.each([
    ['', 0],
    ['123456789', 0xe3069283],
    ['\0'.repeat(32), 0x8a9136aa],
  ])('the checksum of %j is that of RFC 3720', (text, crc) => expect(crc32c(Buffer.from(text))).toBe(crc))

  it('the first record is the one that tensorboard writes', () => {
    // SummaryWriter of tensorboard 2.x, whose wall_time was 1: [wall_time, file_version].
    const event = Buffer.from('09000000000000f03f1a0d627261696e2e4576656e743a32', 'hex')
    expect(Buffer.from(record(event)).toString('hex')).toBe(
      '1800000000000000a37f4b22' +
        event.toString('hex') +
        Buffer.from(record(event)).subarray(-4).toString('hex'),
    )
  })

  it('a file is records whose lengths and checksums are right', async () => {
    const run = { folder, runId: 'an id', options: { learning_rate: 1e-3 } }
    const tracker = createTensorBoard(run, () => 1000)
    for (const event of events) tracker.record(event)
    expect(await tracker.close()).toBeUndefined()
    const [name] = await readdir(join(folder, 'tensorboard'))
    expect(name).toMatch(/^events\.out\.tfevents\.1\./)
    const bytes = await readFile(join(folder, 'tensorboard', name))
    const found: Buffer[] = []
    for (let at = 0; at < bytes.length;) {
      const length = Number(bytes.readBigUInt64LE(at))
      const data = bytes.subarray(at + 12, at + 12 + length)
      expect(bytes.subarray(at, at + 16 + length).equals(Buffer.from(record(data)))).toBe(true)
      found.push(data)
      at += 16 + length
    }
    const all = Buffer.concat(found).toString('latin1')
    expect(found[0].toString('latin1')).toContain('brain.Event:2')
    for (const tag of ['train/loss', 'eval/loss', 'samples', 'options']) expect(all).toContain(tag)
  })
})

/** A server that keeps what it gets. */
async function listen(
  answer: (request: IncomingMessage, body: string) => { status?: number; body?: unknown },
) {
  const got: { path: string; body: Record<string, unknown> }[] = []
  const server: Server = createServer((request, response) => {
    let body = ''
    request.on('data', (part) => (body += String(part)))
    request.on('end', () => {
      got.push({
        path: request.url ?? '',
        body: (body === '' ? {} : JSON.parse(body)) as Record<string, unknown>,
      })
      const { status = 200, body: told = {} } = answer(request, body)
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(told))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { got, url: `http://127.0.0.1:${port}`, close: () => server.close() }
}

async function track(options: object, environment: Record<string, string> = {}) {
  const trackers = trackersOf(optionsOf(options), environment)(folder, 'run-id')
  for (const event of events) for (const tracker of trackers) tracker.record(event)
  return Promise.all(trackers.map((tracker) => tracker.close()))
}

describe('a webhook', () => {
  it('gets all events, also where the first try fails', async () => {
    let calls = 0
    const server = await listen(() => ({ status: (calls += 1) === 1 ? 503 : 200 }))
    const problems = await track({ webhookUrl: server.url })
    server.close()
    expect(problems).toEqual([undefined, '503 Service Unavailable'])
    const last = server.got.at(-1)?.body
    expect(last).toMatchObject({ run_id: 'run-id' })
    const sent = last?.['events'] as TrainEvent[] | undefined
    expect(sent?.map(({ type }) => type)).toEqual(events.map(({ type }) => type))
  })
})

describe('MLflow', () => {
  it('gets a run with parameters, metrics and its end', async () => {
    const server = await listen((request) => {
      if (request.url?.includes('get-by-name'))
        return { status: 404, body: { error_code: 'RESOURCE_DOES_NOT_EXIST' } }
      if (request.url?.endsWith('experiments/create')) return { body: { experiment_id: '7' } }
      if (request.url?.endsWith('runs/create')) return { body: { run: { info: { run_id: 'r1' } } } }
      return {}
    })
    const problems = await track(
      { reportTo: 'mlflow', learningRate: 0.5 },
      { MLFLOW_TRACKING_URI: server.url },
    )
    server.close()
    expect(problems).toEqual([undefined, undefined])
    const bodies = (path: string) =>
      server.got.filter((each) => each.path.endsWith(path)).map(({ body }) => body)
    expect(bodies('runs/create')[0]).toMatchObject({ experiment_id: '7' })
    const logged = bodies('runs/log-batch')
    expect(logged.flatMap(({ params = [] }) => params)).toContainEqual({ key: 'learning_rate', value: '0.5' })
    expect(logged.flatMap(({ metrics = [] }) => metrics)).toContainEqual(
      expect.objectContaining({ key: 'train/loss', value: 3, step: 1 }),
    )
    expect(bodies('runs/update')[0]).toMatchObject({ run_id: 'r1', status: 'FINISHED' })
  })

  it('has an address, or is refused before anything is trained', () => {
    expect(() => trackersOf(optionsOf({ reportTo: ['mlflow'] }), {})).toThrow(
      /mlflow, and no address; expected .*MLFLOW_TRACKING_URI/,
    )
  })
})

it('nobody who listens is no reason to stop', async () => {
  const [, problem] = await track({ reportTo: ['webhook'] }, { FETTLE_WEBHOOK_URL: 'http://127.0.0.1:9/' })
  expect(problem).toMatch(/fetch failed/)
  const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).trimEnd().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as EndEvent).type)).toEqual(events.map(({ type }) => type))
})
