import { openAsBlob } from 'node:fs'
import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { hubAccess, hubToken, refusedByHub, statusOf, type HubAccess } from '../../hub/index.ts'
import type { FileToPush } from './public-files.ts'
import type { PushProgress } from './push-options.ts'

interface Repo {
  type: 'model'
  name: string
}

/** What is used of `@huggingface/hub`, whose own types do not agree with those of Node. */
interface HubLibrary {
  whoAmI(asked: HubAccess): Promise<{ name: string; auth?: { accessToken?: { role?: string } } }>
  modelInfo(asked: HubAccess & { name: string }): Promise<{ private: boolean }>
  createRepo(asked: HubAccess & { repo: Repo; visibility?: 'private' }): Promise<unknown>
  uploadFilesWithProgress(
    asked: HubAccess & {
      repo: Repo
      files: { path: string; content: Blob }[]
      commitTitle: string
      useXet: boolean
      abortSignal?: AbortSignal | undefined
    },
  ): AsyncGenerator<HubProgress, { commit: { oid: string; url: string } }>
}

type HubProgress =
  | { event: 'phase' }
  | { event: 'fileProgress'; path: string; progress: number; state: 'hashing' | 'uploading' | 'error' }

/** What is uploaded. */
export interface Upload {
  folder: string
  files: readonly FileToPush[]
  repo: string
  private: boolean
  overwrite: boolean
  /** Of the base model, which must be there. */
  base: string | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: PushProgress) => void) | undefined
}

/** The Hub as the user whose token is in the environment. */
export interface ModelHub {
  user: string
  /** All files in one commit. */
  upload(what: Upload): Promise<{ url: string; commit: string }>
}

/**
 * Asks whose token it is.
 *
 * @throws FettleError without a token, with one that the Hub does not know or that may only read, and where the Hub is not reached
 */
export async function openModelHub(environment: NodeJS.ProcessEnv = process.env): Promise<ModelHub> {
  const asked: HubAccess = {
    ...hubAccess(environment),
    accessToken: hubToken('write repositories', environment),
  }
  const library: HubLibrary = await import('@huggingface/hub' as string)
  const { name: user, auth } = await library.whoAmI(asked).catch((error: unknown) => {
    throw refusedByHub(asked.hubUrl, 'user', error)
  })
  if (auth?.accessToken?.role === 'read')
    throw new FettleError({
      place: 'HF_TOKEN',
      found: `a token of ${user} that may only read`,
      expected: 'one that may write repositories',
      cure: 'Make one at https://huggingface.co/settings/tokens.',
    })
  return { user, upload: (what) => upload(library, asked, user, what) }
}

async function upload(
  library: HubLibrary,
  asked: HubAccess,
  user: string,
  { folder, files, repo, private: isPrivate, overwrite, base, signal, onProgress }: Upload,
): Promise<{ url: string; commit: string }> {
  const to: Repo = { type: 'model', name: repo }
  const [owner, name] = repo.split('/')
  const mayNot = `The token may not write to ${owner}: give it that right at https://huggingface.co/settings/tokens, or push to ${user}/${name}.`
  if (base !== undefined) await checkBaseIsThere(library, asked, base)
  const isNew = await createRepo(library, asked, to, isPrivate, mayNot)
  if (!isNew) await checkExisting(library, asked, repo, isPrivate, overwrite)
  signal?.throwIfAborted()
  try {
    const uploading = library.uploadFilesWithProgress({
      ...asked,
      repo: to,
      files: await Promise.all(files.map((file) => blobOf(folder, file))),
      commitTitle: 'Upload with fettle',
      useXet: false,
      abortSignal: signal,
    })
    for (;;) {
      const { done, value } = await uploading.next()
      if (done === true)
        return { url: `${asked.hubUrl ?? 'https://huggingface.co'}/${repo}`, commit: value.commit.oid }
      if (value.event === 'fileProgress' && value.state !== 'error')
        onProgress?.({ path: value.path, state: value.state, progress: value.progress })
    }
  } catch (error) {
    signal?.throwIfAborted()
    const again = `${repo} was made and is empty: push again with --force (overwrite).`
    const inTrouble = isNew ? { 500: again, 502: again, 503: again, 504: again } : {}
    throw refusedByHub(asked.hubUrl, `upload to ${repo}`, error, { 403: mayNot, ...inTrouble })
  }
}

async function blobOf(
  folder: string,
  { path, content }: FileToPush,
): Promise<{ path: string; content: Blob }> {
  return { path, content: content === undefined ? await openAsBlob(join(folder, path)) : new Blob([content]) }
}

/** @returns false where there is one already */
async function createRepo(
  library: HubLibrary,
  asked: HubAccess,
  repo: Repo,
  isPrivate: boolean,
  mayNot: string,
): Promise<boolean> {
  try {
    await library.createRepo({ ...asked, repo, ...(isPrivate && { visibility: 'private' as const }) })
    return true
  } catch (error) {
    if (statusOf(error) === 409) return false
    throw refusedByHub(asked.hubUrl, `repository ${repo.name}`, error, { 403: mayNot })
  }
}

/** Nobody's repository is written over unasked, and nothing private goes to where all may read. */
async function checkExisting(
  library: HubLibrary,
  asked: HubAccess,
  repo: string,
  isPrivate: boolean,
  overwrite: boolean,
): Promise<void> {
  const wrong = (found: string, expected: string, cure: string) =>
    new FettleError({ place: `repository ${repo}`, found, expected, cure }, { exitCode: 1 })
  if (!overwrite)
    throw wrong(
      'there already',
      'a new one',
      'Choose another name, or write into it with --force (overwrite): files of the same names get a new version, others stay.',
    )
  if (!isPrivate) return
  const { private: isItPrivate } = await library
    .modelInfo({ ...asked, name: repo })
    .catch((error: unknown) => {
      throw refusedByHub(asked.hubUrl, `repository ${repo}`, error)
    })
  if (!isItPrivate)
    throw wrong(
      'a public repository',
      'a private one, as --private says',
      'Make it private in its settings on the Hub, or choose another name.',
    )
}

async function checkBaseIsThere(library: HubLibrary, asked: HubAccess, base: string): Promise<void> {
  try {
    await library.modelInfo({ ...asked, name: base })
  } catch (error) {
    if (statusOf(error) !== 404 && statusOf(error) !== 401)
      throw refusedByHub(asked.hubUrl, `model ${base}`, error)
    throw new FettleError(
      {
        place: 'baseModel',
        found: `${base}, which is not on the Hub, or which the token may not see`,
        expected: 'the name of the base model on the Hub',
        cure: 'Say another one with --base-model OWNER/NAME; none, where the base of a whole model is not there.',
      },
      { exitCode: 1, cause: error },
    )
  }
}
