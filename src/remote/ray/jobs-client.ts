import { createHash } from 'node:crypto'
import { FettleError, clipText } from '../../error.ts'
import { ask, type Answer } from './http.ts'
import { readWebSocket } from './web-socket.ts'

/** What Ray says of a job. */
export interface JobState {
  status: 'PENDING' | 'RUNNING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED'
  message: string
}

/** What is to be started. */
export interface JobRequest {
  entrypoint: string
  submission_id: string
  runtime_env: { working_dir?: string; env_vars?: Readonly<Record<string, string>> }
  metadata?: Readonly<Record<string, string>>
}

/** Ray takes no more in one piece. */
export const mostUploaded = 100 * 2 ** 20

/** Ray's Jobs API (version 4): https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html */
export interface JobsClient {
  /** @throws FettleError where no cluster answers */
  version(): Promise<string>
  /** Uploads an archive, unless the cluster has it. Returns its name, for `working_dir`. */
  upload(archive: Buffer): Promise<string>
  submit(job: JobRequest): Promise<void>
  state(id: string): Promise<JobState>
  stop(id: string): Promise<void>
  /** The log as it is. */
  log(id: string): Promise<string>
  /** Pieces of the log, from its beginning until the job ends; its last lines may be missing. */
  logs(id: string, signal?: AbortSignal): AsyncGenerator<string>
}

/** @throws FettleError (exit code 1) by each call where the cluster cannot be reached, or refuses */
export function createJobsClient(address: URL): JobsClient {
  const json = async <T>(what: string, answer: Answer): Promise<T> => {
    const { status, text } = answer
    if (status === 200) return (text === '' ? undefined : JSON.parse(text)) as T
    throw refused(address, what, answer)
  }
  const post = (path: string, body?: unknown) =>
    ask(address, path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }),
    })
  const jobPath = (id: string) => `/api/jobs/${encodeURIComponent(id)}`
  return {
    async version() {
      const { ray_version } = await json<{ ray_version: string }>(
        'its version',
        await ask(address, '/api/version'),
      )
      return ray_version
    },
    async upload(archive) {
      const name = `_ray_pkg_${createHash('sha256').update(archive).digest('hex').slice(0, 32)}.zip`
      const path = `/api/packages/gcs/${name}`
      const { status } = await ask(address, path)
      if (status !== 200) await json('an upload', await ask(address, path, { method: 'PUT', body: archive }))
      return `gcs://${name}`
    },
    async submit(job) {
      // Without its final slash the path is another one.
      await json('a job', await post('/api/jobs/', job))
    },
    async state(id) {
      return json<JobState>(`job ${id}`, await ask(address, jobPath(id)))
    },
    async stop(id) {
      await json(`the end of job ${id}`, await post(`${jobPath(id)}/stop`))
    },
    async log(id) {
      const answer = await ask(address, `${jobPath(id)}/logs`)
      return (await json<{ logs: string }>(`the log of job ${id}`, answer)).logs
    },
    logs: (id, signal) => readWebSocket(address, `${jobPath(id)}/logs/tail`, signal),
  }
}

function refused(address: URL, what: string, { status, text }: Answer): FettleError {
  const cures: Record<number, string> = {
    401: 'Set RAY_AUTH_TOKEN to a token of the cluster.',
    403: 'Set RAY_AUTH_TOKEN to a token of the cluster.',
    404: 'Look whether the job is still known: ray job list.',
    405: 'Look whether a proxy stands before the dashboard.',
    413: 'Put output_dir on storage that the cluster sees; the run is not uploaded then.',
  }
  return new FettleError(
    {
      place: address.host,
      found: `a refusal of ${what}: ${status} ${clipText(text.trim().split('\n').at(-1) ?? '')}`,
      expected: "Ray's Jobs API",
      ...(cures[status] !== undefined && { cure: cures[status] }),
    },
    { exitCode: 1 },
  )
}
