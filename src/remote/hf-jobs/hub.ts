import { FettleError, clipText, messageOf } from '../../error.ts'

/** A machine that jobs can have. */
export interface Hardware {
  name: string
  prettyName: string
  cpu: string
  ram: string
  accelerator: { model: string; quantity: string; vram: string } | null
  unitCostUSD: number
  unitLabel: string
}

/** What is to be run. */
export interface JobRequest {
  dockerImage: string
  command: string[]
  flavor: string
  environment: Record<string, string>
  secrets: Record<string, string>
  timeoutSeconds: number
  labels: Record<string, string>
  volumes: { source: string; mountPath: string }[]
}

interface Credentials {
  hubUrl?: string
  accessToken: string
}

type Repo = { type: 'dataset' | 'model'; name: string }

/** What is used of `@huggingface/hub`, whose own types do not agree with those of Node. */
interface HubLibrary {
  whoAmI(asked: Credentials): Promise<{ name: string }>
  createRepo(asked: Credentials & { repo: Repo; private: boolean }): Promise<unknown>
  uploadFiles(
    asked: Credentials & { repo: Repo; files: { path: string; content: Blob }[]; useXet: boolean },
  ): Promise<unknown>
  listJobHardware(asked: Credentials): Promise<Hardware[]>
  runJob(asked: Credentials & JobRequest & { namespace: string }): Promise<{ id: string }>
  getJob(asked: JobOf): Promise<{ status: { stage: string; message?: string | null } }>
  cancelJob(asked: JobOf): Promise<unknown>
  streamJobLogs(asked: JobOf): AsyncGenerator<{ message: string }>
}

type JobOf = Credentials & { namespace: string; jobId: string }

/** Hugging Face's Hub and its Jobs, as the user whose token is in the environment. */
export interface Hub {
  user(): Promise<string>
  hardware(): Promise<Hardware[]>
  /** Puts files into a new private repository. */
  upload(repo: Repo, files: { path: string; content: Blob }[]): Promise<void>
  run(namespace: string, job: JobRequest): Promise<string>
  stage(namespace: string, job: string): Promise<{ stage: string; message: string }>
  cancel(namespace: string, job: string): Promise<void>
  /** Lines of the log, from its first on. */
  logs(namespace: string, job: string): AsyncGenerator<string>
}

/** The token that jobs are run with. */
export function hubToken(environment: NodeJS.ProcessEnv = process.env): string {
  const token = environment['HF_TOKEN'] ?? environment['HUGGING_FACE_HUB_TOKEN']
  if (token !== undefined && token.startsWith('hf_')) return token
  throw new FettleError({
    place: 'HF_TOKEN',
    found: token === undefined ? 'not set' : 'no token of Hugging Face',
    expected: 'a token that may write repositories and start jobs',
    cure: 'Make one at https://huggingface.co/settings/tokens, and export HF_TOKEN=hf_….',
  })
}

/** @throws FettleError by each call that the Hub refuses */
export async function openHub(environment: NodeJS.ProcessEnv = process.env): Promise<Hub> {
  const accessToken = hubToken(environment)
  const library: HubLibrary = await import('@huggingface/hub' as string)
  const { HF_ENDPOINT } = environment
  const hubUrl = HF_ENDPOINT?.replace(/\/+$/, '')
  const asked = { accessToken, ...(hubUrl !== undefined && { hubUrl }) }
  const told = async <T>(what: string, answer: Promise<T>): Promise<T> => {
    try {
      return await answer
    } catch (error) {
      throw refused(hubUrl, what, error)
    }
  }
  return {
    user: async () => (await told('the user', library.whoAmI(asked))).name,
    hardware: () => told('the list of machines', library.listJobHardware(asked)),
    async upload(repo, files) {
      await told(`repository ${repo.name}`, library.createRepo({ ...asked, repo, private: true }))
      await told('an upload', library.uploadFiles({ ...asked, repo, files, useXet: false }))
    },
    run: async (namespace, job) => (await told('a job', library.runJob({ ...asked, ...job, namespace }))).id,
    async stage(namespace, jobId) {
      const { status } = await told(`job ${jobId}`, library.getJob({ ...asked, namespace, jobId }))
      return { stage: status.stage, message: status.message ?? '' }
    },
    async cancel(namespace, jobId) {
      await told(`the end of job ${jobId}`, library.cancelJob({ ...asked, namespace, jobId }))
    },
    async *logs(namespace, jobId) {
      for await (const { message } of library.streamJobLogs({ ...asked, namespace, jobId })) yield message
    },
  }
}

function refused(hubUrl: string | undefined, what: string, error: unknown): FettleError {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined
  const cures: Record<number, string> = {
    401: 'Look at HF_TOKEN: the token must be valid.',
    402: 'Jobs are paid before: add credit at https://huggingface.co/settings/billing.',
    403: 'The token must be allowed to write repositories and to start jobs.',
    429: 'Wait a little and try again.',
  }
  const cure =
    status === undefined ? 'Look whether this machine reaches the Hub, and try again.' : cures[status]
  return new FettleError(
    {
      place: hubUrl ?? 'huggingface.co',
      found: `no ${what}: ${status === undefined ? '' : `${status} `}${clipText(messageOf(error))}`,
      ...(cure !== undefined && { cure }),
    },
    { exitCode: 1, cause: error },
  )
}
