import { join } from 'node:path'
import { FettleError, messageOf } from '../../error.ts'
import { makeFolder, readTextFile, writeFileAtomic } from '../../formats/index.ts'
import { hubAccess, statusOf } from '../../hub/index.ts'
import { cachedSnapshot, cacheFolder, hubCache, isOffline, type HubName } from './hub-cache.ts'
import { listFolder, type Listing } from './listing.ts'

/**
 * The files of a data set of the Hub: those that there are now, where it can be asked, which come into Hugging Face's cache as they
 * are read; else those of the cache.
 *
 * @throws FettleError where neither has them, with what the Hub said
 */
export async function listHub(name: HubName): Promise<Listing> {
  if (isOffline()) return (await listCached(name)) ?? refuse(name, 'HF_HUB_OFFLINE is set')
  try {
    return await listRemote(name)
  } catch (error) {
    if (error instanceof FettleError) throw error
    // A server that answers says what is wrong; without an answer the cache is what there is.
    const status = statusOf(error)
    const cached = status === undefined ? await listCached(name) : undefined
    if (cached !== undefined) return cached
    const why =
      status === 404 || status === 401 || status === 403
        ? 'the Hub has no such data set, or it is private or gated'
        : `the Hub cannot be reached (${messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error)})`
    return refuse(name, why, error)
  }
}

function refuse({ id, revision }: HubName, why: string, cause?: unknown): never {
  const at = revision === 'main' ? '' : `@${revision}`
  throw new FettleError(
    {
      place: `${id}${at}`,
      found: `no such file or folder here, and no copy in ${hubCache()}; ${why}`,
      expected: 'a data file, a folder, or a data set of the Hub',
      cure: `Check the name and HF_TOKEN, or fetch it where there is a network: hf download ${id} --repo-type dataset --local-dir FOLDER, and give that folder.`,
    },
    { cause },
  )
}

async function listCached(name: HubName): Promise<Listing | undefined> {
  const folder = await cachedSnapshot(name)
  return folder === undefined ? undefined : { ...(await listFolder(folder)), name: folder }
}

/** What is used of `@huggingface/hub`, whose own types do not agree with those of Node. */
interface HubClient {
  datasetInfo(asked: { name: string; revision: string; additionalFields: string[] }): Promise<{ sha: string }>
  listFiles(asked: CommitOf & { recursive: boolean }): AsyncIterable<{ path: string; type: string }>
  downloadFileToCacheDir(asked: CommitOf & { path: string; cacheDir: string }): Promise<string>
}

interface CommitOf {
  repo: { type: 'dataset'; name: string }
  revision: string
}

async function listRemote({ id, revision }: HubName): Promise<Listing> {
  const { datasetInfo, downloadFileToCacheDir, listFiles }: HubClient = await import(
    '@huggingface/hub' as string
  )
  const asked = hubAccess()
  // One commit for all of its files, whatever is changed there meanwhile.
  const { sha } = await datasetInfo({ name: id, revision, additionalFields: ['sha'], ...asked })
  const commit = { repo: { type: 'dataset' as const, name: id }, revision: sha, ...asked }
  // What is fetched is found by this name where there is no network.
  const folder = cacheFolder(id)
  if (sha !== revision && /^[\w.-]+$/.test(revision)) {
    await makeFolder(join(folder, 'refs'))
    await writeFileAtomic(join(folder, 'refs', revision), sha)
  }
  const paths: string[] = []
  for await (const { path, type } of listFiles({ ...commit, recursive: true }))
    if (type === 'file') paths.push(path)
  const place = `hf://datasets/${id}`
  const fetchFile = async (path: string): Promise<string> => {
    try {
      return await silently(() => downloadFileToCacheDir({ ...commit, path, cacheDir: hubCache() }))
    } catch (error) {
      throw new FettleError(
        {
          place: `${place}/${path}`,
          found: `a download that failed: ${messageOf(error)}`,
          expected: 'the file from the Hub',
          cure: 'Try again; what was fetched stays in the cache.',
        },
        { cause: error },
      )
    }
  }
  return {
    name: place,
    paths: paths.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    fetch: fetchFile,
    readText: async (path) => readTextFile(await fetchFile(path)),
  }
}

const { console: terminal } = globalThis
const { debug } = terminal
let downloads = 0

/** The library tells of each download where programs write their results. */
async function silently<T>(work: () => Promise<T>): Promise<T> {
  downloads += 1
  terminal.debug = () => undefined
  try {
    return await work()
  } finally {
    downloads -= 1
    if (downloads === 0) terminal.debug = debug
  }
}
