import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EndEvent, TrainEvent } from '../../src/train/index.ts'
import { readTrainOptions } from '../../src/train/options/read-options.ts'
import { trackersOf } from '../../src/train/trackers/index.ts'
import { fileHeader, frameRecord, readRecords } from '../../src/train/trackers/leveldb-log.ts'
import { bytesOf, intOf } from '../../src/formats/index.ts'
import { crc32c } from '../../src/formats/index.ts'
import { createTensorBoard, record } from '../../src/train/trackers/tensorboard.ts'
import { scalarsOf } from '../../src/train/trackers/tracker.ts'
import { events } from './recorded-events.ts'

/** SHA-256 of the files that PyPI wandb's DataStore writes of such records (record_wandb.py), by the records' sizes. */
const recordedLogs: Readonly<Record<string, string>> = {
  '1,10,100': '9ee55753ec7952af3081cddfa3bf8302296a8921db0d7486ff4162cb55a096ea',
  '32744,5,70000,32740': '55c455cfd07528b2ef4ec6cf5c293830096180c6738ffb9155ef35863870eff9',
}

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

  it('a run that goes on says that what comes after its step does not count', async () => {
    const started = async (firstStep: number) => {
      const place = join(folder, String(firstStep))
      const tracker = createTensorBoard({ folder: place, runId: 'an id', options: {} }, () => 1000)
      for (const event of events)
        if (event.type === 'start') tracker.record({ ...event, first_step: firstStep })
      await tracker.close()
      const [name] = await readdir(join(place, 'tensorboard'))
      return (await readFile(join(place, 'tensorboard', name))).toString('hex')
    }
    // torch's SummaryWriter(purge_step=3) writes this: step 3, session_log { status: START }.
    expect(await started(2)).toContain('10033a020801')
    expect(await started(0)).not.toContain('3a020801')
  })
})

describe('Weights & Biases', () => {
  it.each([
    ['one block', [1, 10, 100]],
    [
      'records over blocks, and borders without room for a header',
      [32_768 - 7 - 7 - 7 - 3, 5, 70_000, 32_740],
    ],
  ])('frames records as its own writer does: %s', async (_, sizes) => {
    const records = sizes.map((size, i) => Uint8Array.from({ length: size }, (__, at) => (at * 7 + i) % 251))
    const parts: Uint8Array[] = [fileHeader]
    for (const data of records) parts.push(frameRecord(data, Buffer.concat(parts).length))
    const bytes = Buffer.concat(parts)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(recordedLogs[sizes.join()])
    expect(readRecords(bytes).map((record) => Buffer.from(record))).toEqual(
      records.map((each) => Buffer.from(each)),
    )
    // Whatever is cut off at its end, the records before it are whole.
    const cut = readRecords(bytes.subarray(0, -3))
    expect(cut.map(({ length }) => length)).toEqual(sizes.slice(0, -1))
  })

  it('a run is one file, and goes on in it', async () => {
    const problems = await track({ reportTo: 'wandb', learningRate: 0.5 }, { WANDB_PROJECT: 'mine' })
    expect(problems).toEqual([undefined, undefined])
    const file = await wandbFile()
    expect(await stepsIn(file)).toEqual([0, 1, 2])
    const all = Buffer.concat(readRecords(await readFile(file))).toString('latin1')
    for (const text of [
      'mine',
      'run-id',
      'learning_rate',
      'train/loss',
      'eval/loss',
      'train/rewards/margins',
    ])
      expect(all).toContain(text)
    // What came after the step that it goes on from is gone, and its end too.
    const again = events.map((event) => (event.type === 'start' ? { ...event, first_step: 1 } : event))
    const [, tracker] = await trackersOf(optionsOf({ reportTo: 'wandb' }), {})(folder, 'run-id')
    for (const event of again.filter((event) => !('step' in event) || event.step > 1)) tracker.record(event)
    expect(await tracker.close()).toBeUndefined()
    expect(await wandbFile()).toBe(file)
    expect(await stepsIn(file)).toEqual([0, 1, 2])
    const [table] = readRecords(await readFile(file)).flatMap((each) => {
      const item = bytesOf(bytesOf(each, 6) ?? new Uint8Array(0), 1)
      return item ? [new TextDecoder().decode(bytesOf(item, 1))] : []
    })
    expect(all).toContain(JSON.stringify(table))
    const answers = JSON.parse(await readFile(join(file, '..', 'files', table), 'utf8')) as object
    expect(answers).toEqual({
      columns: ['prompt', 'text'],
      data: [expect.arrayContaining([expect.any(String)])],
    })
    const exits = readRecords(await readFile(file)).filter((each) => bytesOf(each, 18))
    expect(exits).toHaveLength(1)
  })

  const wandbFile = async () => {
    const [name] = (await readdir(join(folder, 'wandb'))).filter((each) => each.startsWith('offline-run-'))
    return join(folder, 'wandb', name, 'run-run-id.wandb')
  }
  const stepsIn = async (file: string) =>
    readRecords(await readFile(file)).flatMap((each) => {
      const history = bytesOf(each, 2)
      return history ? [intOf(bytesOf(history, 2) ?? new Uint8Array(0), 1) ?? -1] : []
    })
})

describe('Trackio', () => {
  it('finds rows in its inbox', async () => {
    const problems = await track({ reportTo: 'trackio' }, { TRACKIO_DIR: join(folder, 'there') })
    expect(problems).toEqual([undefined, undefined])
    const names = await readdir(join(folder, 'there', 'inbox'), { recursive: true })
    const [file] = names.filter((name) => name.endsWith('.jsonl'))
    const lines = (await readFile(join(folder, 'there', 'inbox', file), 'utf8')).trimEnd().split('\n')
    const [first] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(first).toMatchObject({ v: 1, kind: 'metric', project: 'fettle', run_id: 'run-id', step: 0 })
    expect(lines.some((line) => line.includes('"train/loss"'))).toBe(true)
    expect(
      lines.some((line) => line.includes('"samples":{"_type":"trackio.table","_value":[{"prompt":')),
    ).toBe(true)
    // A step that is made again is left out by its log_id.
    await track({ reportTo: 'trackio' }, { TRACKIO_DIR: join(folder, 'again') })
    const [again] = (await readdir(join(folder, 'again', 'inbox'), { recursive: true })).filter((name) =>
      name.endsWith('.jsonl'),
    )
    const ids = (text: string) => text.match(/"log_id":"[^"]*"/g)
    const written = ids(await readFile(join(folder, 'again', 'inbox', again), 'utf8'))
    expect(written).toEqual(ids(lines.join('\n')))
    expect(new Set(written).size).toBe(lines.length)
  })

  it('gets rows by its server, with the token of its address', async () => {
    const tokens: (string | string[] | undefined)[] = []
    const server = await listen((request) => {
      tokens.push(request.headers['x-trackio-write-token'])
      return { body: { data: null } }
    })
    const address = `${server.url}/?write_token=secret`
    expect(await track({ reportTo: 'trackio' }, { TRACKIO_SERVER_URL: address })).toEqual([
      undefined,
      undefined,
    ])
    server.close()
    expect(tokens[0]).toBe('secret')
    expect(server.got[0].path).toBe('/api/bulk_log')
    const { logs } = server.got[0].body['kwargs'] as { logs: Record<string, unknown>[] }
    expect(logs[0]).toMatchObject({ project: 'fettle', run_id: 'run-id', config: { learning_rate: 2e-4 } })
  })

  it('says what its server answers', async () => {
    const server = await listen(() => ({ body: { error: 'no such token' } }))
    const [, problem] = await track({ reportTo: 'trackio' }, { TRACKIO_SERVER_URL: server.url })
    server.close()
    expect(problem).toBe('no such token')
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
  const trackers = await trackersOf(optionsOf(options), environment)(folder, 'run-id')
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

  it('goes on with the run that it began', async () => {
    const server = await listen((request) => {
      if (request.url?.includes('get-by-name')) return { body: { experiment: { experiment_id: '7' } } }
      const data = { metrics: [{ key: 'train/loss', value: 3, timestamp: 1, step: 1 }] }
      if (request.url?.endsWith('runs/search')) return { body: { runs: [{ info: { run_id: 'r1' }, data }] } }
      return {}
    })
    await track({ reportTo: 'mlflow' }, { MLFLOW_TRACKING_URI: server.url })
    server.close()
    const paths = server.got.map(({ path }) => path.split('/').slice(-2).join('/'))
    expect(paths).not.toContain('runs/create')
    const search = server.got.find(({ path }) => path.endsWith('runs/search'))
    // Step 1 is there, and is made again by a run that was killed after it.
    const losses = server.got
      .flatMap(({ body }) => (body['metrics'] ?? []) as { key: string; step: number }[])
      .filter(({ key }) => key === 'train/loss')
    expect(losses.map(({ step }) => step)).toEqual([2])
    expect(search?.body['filter']).toBe("tags.`fettle.run_id` = 'run-id'")
    expect(server.got.filter(({ body }) => body['run_id'] === 'r1').length).toBeGreaterThan(2)
  })

  it('gets what a process that was killed did not come to send', async () => {
    const server = await listen((request) => {
      if (request.url?.includes('get-by-name')) return { body: { experiment: { experiment_id: '7' } } }
      if (request.url?.endsWith('runs/search')) return { body: { runs: [{ info: { run_id: 'r1' } }] } }
      return {}
    })
    await track({})
    const [log, tracker] = await trackersOf(optionsOf({ reportTo: 'mlflow' }), {
      MLFLOW_TRACKING_URI: server.url,
    })(folder, 'run-id')
    for (const event of events)
      if (event.type === 'start') for (const each of [log, tracker]) each.record({ ...event, first_step: 2 })
    expect([await log.close(), await tracker.close()]).toEqual([undefined, undefined])
    server.close()
    const losses = server.got
      .flatMap(({ body }) => (body['metrics'] ?? []) as { key: string; step: number }[])
      .filter(({ key }) => key === 'train/loss')
    expect(losses.map(({ step }) => step)).toEqual([1, 2])
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
