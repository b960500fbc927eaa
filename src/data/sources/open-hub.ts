import { FettleError } from '../../error.ts'
import { hasWildcards } from '../../formats/index.ts'
import { readFolder, withinFolder } from './folder-configs.ts'
import type { HubName } from './hub-cache.ts'
import { listHub } from './hub-files.ts'
import { matching, type Listing } from './listing.ts'
import type { DataSet } from './parts.ts'
import { readSaved } from './saved-data-set.ts'

/**
 * A data set of the Hub, or files or a folder of it.
 *
 * @throws FettleError where it is not there, or cannot be reached
 */
export async function openHub(name: HubName, config: string | undefined): Promise<DataSet> {
  const listing = await listHub(name)
  const { path } = name
  if (path === '') return openListing(listing, config)
  const files = listing.paths.includes(path)
    ? [path]
    : hasWildcards(path)
      ? matching(listing.paths, path)
      : []
  if (files.length > 0) {
    const parts = files.map((file) => ({ name: `${listing.name}/${file}`, fetch: () => listing.fetch(file) }))
    return { name: `${listing.name}/${path}`, splits: new Map([['train', parts]]), notes: [] }
  }
  const inside = hasWildcards(path) ? undefined : withinFolder(listing, path)
  if (inside !== undefined && inside.paths.length > 0) return openListing(inside, config)
  throw new FettleError({
    place: `${listing.name}/${path}`,
    found: 'no such file or folder',
    expected: listing.paths.slice(0, 8).join(', '),
    cure: 'Check the path behind the name.',
  })
}

/** What a folder holds: a data set that was saved, or one that is laid out by names. */
export async function openListing(listing: Listing, config: string | undefined): Promise<DataSet> {
  return (await readSaved(listing)) ?? (await readFolder(listing, config))
}
