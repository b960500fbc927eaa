import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { FettleError, messageOf } from '../error.ts'
import { writeFileAtomic } from '../formats/index.ts'

/** Of a run's folder: where it is computed. */
const recordFile = 'remote.json'

const record = z.discriminatedUnion('on', [
  z.strictObject({
    on: z.literal('ray'),
    address: z.url(),
    job: z.string().min(1),
    /** The run's folder, as the cluster sees it. */
    output: z.string().min(1),
  }),
  z.strictObject({
    on: z.literal('hf-jobs'),
    namespace: z.string().min(1),
    job: z.string().min(1),
    /** The repository that checkpoints and the result go to. */
    result: z.string().min(1),
  }),
])

/** A job elsewhere that a run's folder is of. */
export type RemoteRecord = z.output<typeof record>

/** Says in a run's folder where it is computed, so that whoever comes back finds it. */
export function writeRemoteRecord(folder: string, value: RemoteRecord): Promise<void> {
  return writeFileAtomic(join(folder, recordFile), `${JSON.stringify(value, null, 2)}\n`)
}

/** @throws FettleError where the folder says nothing of the kind */
export async function readRemoteRecord(folder: string): Promise<RemoteRecord> {
  const place = join(folder, recordFile)
  try {
    return record.parse(JSON.parse(await readFile(place, 'utf8')))
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    throw new FettleError(
      {
        place,
        found: isMissing ? 'no such file' : messageOf(error).split('\n')[0],
        expected: 'the folder of a run that was started with --on ray://… or --on hf-jobs:…',
      },
      { cause: error },
    )
  }
}
