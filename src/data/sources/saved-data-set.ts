import { FettleError } from '../../error.ts'
import { describeValue, isJsonObject } from '../../formats/json/index.ts'
import { parseJson } from '../../formats/index.ts'
import { splitName } from './data-files.ts'
import type { Listing } from './listing.ts'
import type { DataSet, Part } from './parts.ts'

/*
 * Folders that `save_to_disk` of `datasets` writes: dataset_dict.json names the splits, each of which is a folder; state.json in
 * it names its files of Arrow.
 */

const dictionary = 'dataset_dict.json'
const state = 'state.json'

/**
 * The splits of a folder that was saved; undefined where it is none.
 *
 * @throws FettleError where a file that it names is not there, or one split is named twice
 */
export async function readSaved(listing: Listing): Promise<DataSet | undefined> {
  const { paths, name } = listing
  if (paths.includes(dictionary)) {
    const { splits: names } = await readObject(listing, dictionary)
    if (!Array.isArray(names) || !names.every(isSplitName) || names.length === 0)
      throw new FettleError({
        place: `${name}/${dictionary}`,
        found: `splits: ${describeValue(names)}`,
        expected: 'a list of the names of splits',
      })
    const twice = names.find((split, i) => names.indexOf(split) < i)
    if (twice !== undefined)
      throw new FettleError({
        place: `${name}/${dictionary}`,
        found: `the split ${twice} twice`,
        expected: 'each split once',
      })
    const splits = new Map<string, Part[]>()
    const describedBy: string[] = []
    for (const split of names) {
      splits.set(split, (await readSplit(listing, `${split}/`)).parts)
      describedBy.push(await listing.fetch(`${split}/${state}`))
    }
    return { name, splits, describedBy, notes: [] }
  }
  if (!paths.includes(state) || !paths.includes('dataset_info.json')) return undefined
  const { parts, split = 'train' } = await readSplit(listing, '')
  return {
    name,
    splits: new Map([[split, parts]]),
    defaultSplit: split,
    describedBy: [await listing.fetch(state)],
    notes: [],
  }
}

const isSplitName = (value: unknown): value is string => typeof value === 'string' && splitName.test(value)

async function readSplit(
  listing: Listing,
  folder: string,
): Promise<{ parts: Part[]; split: string | undefined }> {
  const place = `${listing.name}/${folder}${state}`
  if (!listing.paths.includes(`${folder}${state}`))
    throw new FettleError({
      place,
      found: 'no such file',
      expected: 'the state of a saved split',
      cure: 'Save the data set anew.',
    })
  const read = await readObject(listing, `${folder}${state}`)
  const files: unknown = read['_data_files']
  const names = Array.isArray(files)
    ? files.map((file: unknown) => (isJsonObject(file) ? file['filename'] : undefined))
    : [undefined]
  const columns = read['_output_all_columns'] === true ? undefined : read['_format_columns']
  const parts = names.map((file): Part => {
    const path = `${folder}${String(file)}`
    if (typeof file !== 'string' || !listing.paths.includes(path))
      throw new FettleError({
        place,
        found: `_data_files: ${typeof file === 'string' ? `no file ${file}` : describeValue(files)}`,
        expected: 'files beside it',
        cure: 'Copy the whole folder, or save the data set anew.',
      })
    return {
      name: `${listing.name}/${path}`,
      fetch: () => listing.fetch(path),
      kind: 'arrow',
      ...(Array.isArray(columns) && { settings: { onlyColumns: columns.map(String) } }),
    }
  })
  const split = read['_split']
  return { parts, split: isSplitName(split) ? split : undefined }
}

async function readObject(listing: Listing, path: string): Promise<Record<string, unknown>> {
  const place = `${listing.name}/${path}`
  const value = parseJson(await listing.readText(path), place)
  if (isJsonObject(value)) return value
  throw new FettleError({ place, found: describeValue(value), expected: 'an object' })
}
