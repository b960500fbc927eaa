import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { TrainEvent } from '../events.ts'
import {
  bytesField,
  crc32c,
  doubleField,
  floatField,
  integerField,
  joined,
  textField,
} from '../../formats/index.ts'
import { createAttempts, scalarsOf, type Tracker, type TrackedRun } from './tracker.ts'

/**
 * An event file of TensorBoard in the run's `tensorboard/`: numbers as scalars, answers and options as text. A run that goes on has a file
 * more, which says from which step on the ones before it do not count.
 * Source: tensorboard's event.proto and summary.proto, and TFRecord of TensorFlow
 */
export function createTensorBoard({ folder, options }: TrackedRun, now: () => number = Date.now): Tracker {
  const attempts = createAttempts()
  const { attempt } = attempts
  let file: number | undefined
  const write = (step: number, field: Uint8Array): void => {
    const event = joined([doubleField(1, now() / 1000), integerField(2, step), field])
    if (file !== undefined) writeSync(file, record(event))
  }
  attempt(() => {
    mkdirSync(join(folder, 'tensorboard'), { recursive: true })
    const name = `events.out.tfevents.${Math.floor(now() / 1000)}.${hostname()}.${process.pid}.fettle`
    file = openSync(join(folder, 'tensorboard', name), 'a')
    write(0, textField(3, 'brain.Event:2'))
    const table = Object.entries(options).map(([key, value]) => `| ${key} | ${JSON.stringify(value)} |`)
    write(0, bytesField(5, textSummary('options', ['| option | value |', '|---|---|', ...table].join('\n'))))
  })
  return {
    name: 'tensorboard',
    record(event) {
      // Steps that are made again count once.
      if (event.type === 'start' && event.first_step > 0)
        attempt(() => write(event.first_step + 1, bytesField(7, integerField(1, sessionStart))))
      for (const { step, field } of summariesOf(event)) attempt(() => write(step, field))
    },
    async close() {
      attempt(() => file !== undefined && closeSync(file))
      file = undefined
      return attempts.problem
    },
  }
}

/** SessionLog.START of event.proto: what was written before of its step and later ones is not shown. */
const sessionStart = 1

function* summariesOf(event: TrainEvent): Generator<{ step: number; field: Uint8Array }> {
  const values = Object.entries(scalarsOf(event)).map(([tag, value]) =>
    bytesField(1, joined([textField(1, tag), floatField(2, value)])),
  )
  if (values.length > 0 && 'step' in event)
    yield { step: event.step, field: bytesField(5, joined([...values])) }
  if (event.type !== 'sample') return
  const parts = event.samples.map(({ prompt, text }) => `${quoted(prompt)}\n\n**→** ${quoted(text)}`)
  yield { step: event.step, field: bytesField(5, textSummary('samples', parts.join('\n\n---\n\n'))) }
}

/** As Markdown shows it as it is. */
function quoted(text: string): string {
  return `\`\`\`\n${text.replaceAll('```', '` ` `')}\n\`\`\``
}

/** A Summary with one text: a tensor of strings for the plugin `text`. */
function textSummary(tag: string, text: string): Uint8Array {
  const shape = joined([bytesField(2, joined([integerField(1, 1)]))])
  const tensor = joined([integerField(1, 7), bytesField(2, shape), textField(8, text)])
  const metadata = joined([bytesField(1, joined([textField(1, 'text')])), integerField(4, 2)])
  return joined([bytesField(1, joined([textField(1, tag), bytesField(8, tensor), bytesField(9, metadata)]))])
}

/** A TFRecord: length, its checksum, data, their checksum. */
export function record(data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(16 + data.length)
  bytes.writeBigUInt64LE(BigInt(data.length), 0)
  bytes.writeUInt32LE(maskedCrc(bytes.subarray(0, 8)), 8)
  bytes.set(data, 12)
  bytes.writeUInt32LE(maskedCrc(data), 12 + data.length)
  return bytes
}

/** CRC-32C, rotated and with a constant added, as TFRecord has it. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
