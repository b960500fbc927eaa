import { hubAccess, hubToken, refusedByHub, type HubAccess } from '../../hub/index.ts'

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

type Repo = { type: 'dataset' | 'model'; name: string }

/** What is used of `@huggingface/hub`, whose own types do not agree with those of Node. */
interface HubLibrary {
  whoAmI(asked: HubAccess): Promise<{ name: string }>
  createRepo(asked: HubAccess & { repo: Repo; private: boolean }): Promise<unknown>
  uploadFiles(
    asked: HubAccess & { repo: Repo; files: { path: string; content: Blob }[]; useXet: boolean },
  ): Promise<unknown>
  listJobHardware(asked: HubAccess): Promise<Hardware[]>
  runJob(asked: HubAccess & JobRequest & { namespace: string }): Promise<{ id: string }>
  getJob(asked: JobOf): Promise<{ status: { stage: string; message?: string | null } }>
  cancelJob(asked: JobOf): Promise<unknown>
  streamJobLogs(asked: JobOf): AsyncGenerator<{ message: string }>
}

type JobOf = HubAccess & { namespace: string; jobId: string }

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
export function jobsToken(environment: NodeJS.ProcessEnv = process.env): string {
  return hubToken('write repositories and start jobs', environment)
}

const cures = {
  402: 'Jobs are paid before: add credit at https://huggingface.co/settings/billing.',
  403: 'The token must be allowed to write repositories and to start jobs.',
}

/** @throws FettleError by each call that the Hub refuses */
export async function openHub(environment: NodeJS.ProcessEnv = process.env): Promise<Hub> {
  const accessToken = jobsToken(environment)
  const library: HubLibrary = await import('@huggingface/hub' as string)
  const asked = { ...hubAccess(environment), accessToken }
  const told = async <T>(what: string, answer: Promise<T>): Promise<T> => {
    try {
      return await answer
    } catch (error) {
      throw refusedByHub(asked.hubUrl, what, error, cures)
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
