import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hubHome } from '../../hub/index.ts'

/** A data set of the Hub, as people name it. */
export interface HubName {
  /** `owner/name`, or the name alone of those that Hugging Face keeps itself. */
  id: string
  /** A branch, a tag or a commit; by default main. */
  revision: string
  /** A file, a folder or a pattern inside; '' for all. */
  path: string
}

const part = String.raw`[A-Za-z0-9][\w.-]{0,95}`
const address = new RegExp(`^hf://datasets/(${part}(?:/${part})??)(?:@([^/]+))?(?:/(.*))?$`)
const plainId = new RegExp(`^(${part}/${part})(?:@([\\w.-]+))?$`)

/** Reads `hf://datasets/owner/name@revision/path`, or `owner/name@revision`; undefined where a text is neither. */
export function parseHubName(text: string): HubName | undefined {
  const isAddress = text.startsWith('hf://')
  const [, id, revision, path] = (isAddress ? longest(text) : plainId.exec(text)) ?? []
  if (id === undefined) return undefined
  return { id, revision: decodeURIComponent(revision ?? 'main'), path: (path ?? '').replace(/\/+$/, '') }
}

/** An owner and a name rather than a name alone and a path inside. */
function longest(text: string): RegExpExecArray | null {
  const withOwner = new RegExp(address.source.replace('??)', ')'))
  return withOwner.exec(text) ?? address.exec(text)
}

/** Where Hugging Face's programs keep what they fetched. */
export function hubCache(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env
  return HF_HUB_CACHE ?? HUGGINGFACE_HUB_CACHE ?? join(hubHome(), 'hub')
}

/** Whether nothing is to be asked of the Hub. */
export function isOffline(): boolean {
  const yes = ['1', 'on', 'yes', 'true']
  return ['HF_HUB_OFFLINE', 'HF_DATASETS_OFFLINE'].some((name) =>
    yes.includes((process.env[name] ?? '').toLowerCase()),
  )
}

/** Where the cache keeps a data set. */
export function cacheFolder(id: string): string {
  return join(hubCache(), `datasets--${id.replace('/', '--')}`)
}

/** The folder of a data set's files in the cache, at a revision; undefined where there are none. */
export async function cachedSnapshot({ id, revision }: HubName): Promise<string | undefined> {
  const folder = cacheFolder(id)
  const named = await readFile(
    join(folder, 'refs', ...revision.split('/').filter((name) => name !== '..')),
    'utf8',
  ).catch(() => undefined)
  const commits = [named?.trim() ?? revision]
  // Whoever fetched a commit by its name left no branch behind.
  if (named === undefined && revision === 'main') {
    const all = await readdir(join(folder, 'snapshots')).catch(() => [])
    if (all.length === 1) commits.push(all[0])
  }
  for (const commit of commits) {
    const snapshot = join(folder, 'snapshots', commit)
    const isFolder =
      /^[\w.-]+$/.test(commit) &&
      (await stat(snapshot).then(
        (found) => found.isDirectory(),
        () => false,
      ))
    if (isFolder) return snapshot
  }
  return undefined
}
