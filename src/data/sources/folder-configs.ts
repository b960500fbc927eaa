import { FettleError, type Problem } from '../../error.ts'
import { describeValue, isJsonObject } from '../../formats/json/index.ts'
import { closestName } from '../../closest-name.ts'
import { listMany } from '../values.ts'
import { filesOfSplit, findSplits, splitName, type SplitPatterns } from './data-files.ts'
import { matching, type Listing } from './listing.ts'
import { readLoaderSettings } from './loader-settings.ts'
import type { DataSet, Part, ReaderSettings } from './parts.ts'

/** What README.md says of a part of a data set. */
interface FolderConfig {
  name: string
  isDefault: boolean
  dataDir: string
  /** Undefined where the files are found by their names. */
  splits: SplitPatterns[] | undefined
  given: Readonly<Record<string, unknown>>
  placeOf(key?: string): string
}

const readme = 'README.md'
const standalone = '.huggingface.yaml'

/**
 * A folder as `datasets` lays it out: what its README.md says of configs and their files, else splits by the names of files.
 *
 * @param wanted  the config; may be left out where there is one, or a default
 * @throws FettleError that lists the configs, where one has to be chosen; with all that is wrong in README.md
 */
export async function readFolder(listing: Listing, wanted: string | undefined): Promise<DataSet> {
  const config = chooseConfig(await readConfigs(listing), wanted, listing.name)
  const base = config?.dataDir ?? ''
  const below = base === '' ? listing : withinFolder(listing, base)
  const splits = config?.splits ?? findSplits(below)
  const notes = new Set<string>()
  const found = new Map<string, readonly Part[]>()
  for (const split of splits) {
    const problems: Problem[] = []
    const settings = (kind: Parameters<typeof readLoaderSettings>[1]): ReaderSettings => {
      if (config === undefined) return {}
      const read = readLoaderSettings(config.given, kind, config.placeOf)
      problems.push(...read.problems)
      for (const note of read.notes) notes.add(note)
      return read.settings
    }
    const files = filesOfSplit(listing, split, base, settings)
    if (problems.length > 0) throw new FettleError(onceEach(problems))
    for (const note of files.notes) notes.add(note)
    found.set(split.split, files.parts)
  }
  const described =
    config === undefined ? [] : [standalone, readme].filter((path) => listing.paths.includes(path))
  const describedBy = await Promise.all(described.map((path) => listing.fetch(path)))
  return { name: listing.name, splits: found, describedBy, notes: [...notes] }
}

function onceEach(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [problem.place + problem.found, problem])).values()]
}

/** The listing of a folder inside. */
export function withinFolder(listing: Listing, folder: string): Listing {
  const paths = matching(listing.paths, `${folder}/**`).map((path) => path.slice(folder.length + 1))
  return {
    name: `${listing.name}/${folder}`,
    paths,
    readText: (path) => listing.readText(`${folder}/${path}`),
    fetch: (path) => listing.fetch(`${folder}/${path}`),
  }
}

function chooseConfig(
  configs: readonly FolderConfig[],
  wanted: string | undefined,
  place: string,
): FolderConfig | undefined {
  const names = configs.map(({ name }) => name)
  if (configs.length === 0) {
    if (wanted === undefined || wanted === 'default') return undefined
    throw new FettleError({
      place,
      found: `config ${wanted}`,
      expected: 'no config: its README.md names none',
      cure: 'Leave config out.',
    })
  }
  if (wanted !== undefined) {
    const found = configs.find(({ name }) => name === wanted)
    if (found !== undefined) return found
    const meant = closestName(wanted, names)
    throw new FettleError({
      place,
      found: `config ${wanted}`,
      expected: listMany(names),
      ...(meant !== undefined && { cure: `Did you mean config: ${meant}?` }),
    })
  }
  const defaults = configs.filter(
    ({ name, isDefault }) => configs.length === 1 || name === 'default' || isDefault,
  )
  if (defaults.length === 1) return defaults[0]
  throw new FettleError({
    place,
    found:
      defaults.length === 0
        ? `${configs.length} configs, none of which is the default`
        : `several default configs: ${listMany(defaults.map(({ name }) => name))}`,
    expected: `one of ${listMany(names)}`,
    cure: `Choose it: config: ${names[0]}.`,
  })
}

/** What README.md, or a file of settings beside it, says under `configs`. */
async function readConfigs(listing: Listing): Promise<FolderConfig[]> {
  for (const path of [standalone, readme]) {
    if (!listing.paths.includes(path)) continue
    const place = `${listing.name}/${path}`
    const text = await listing.readText(path)
    const block = path === readme ? settingsOf(text) : text
    if (block === undefined) continue
    const { readYaml } = await import('../../formats/yaml/index.ts')
    const { value, placeOf } = readYaml(block, place)
    const configs = isJsonObject(value) ? value['configs'] : undefined
    if (configs !== undefined && configs !== null) return readAll(configs, placeOf)
  }
  return []
}

/** The YAML between the lines `---` at the top, in the lines where it stands. */
function settingsOf(text: string): string | undefined {
  const lines = text.split(/\r?\n/)
  const end = lines[0] === '---' ? lines.indexOf('---', 1) : -1
  return end < 0 ? undefined : `\n${lines.slice(1, end).join('\n')}\n`
}

function readAll(value: unknown, placeOf: (path: (string | number)[]) => string): FolderConfig[] {
  if (!Array.isArray(value))
    throw new FettleError({
      place: placeOf(['configs']),
      found: `configs: ${describeValue(value)}`,
      expected: 'a list of configs',
    })
  const problems: Problem[] = []
  const configs = value.flatMap((given: unknown, i): FolderConfig[] => {
    const place = (...path: (string | number)[]) => placeOf(['configs', i, ...path])
    const name = isJsonObject(given) ? given['config_name'] : undefined
    if (!isJsonObject(given) || typeof name !== 'string') {
      problems.push({ place: place(), found: 'a config without config_name', expected: 'a name for each' })
      return []
    }
    const dataDir = given['data_dir'] ?? ''
    if (typeof dataDir !== 'string' || /^\/|(?:^|\/)\.\.(?:\/|$)/.test(dataDir))
      problems.push({
        place: place('data_dir'),
        found: `data_dir: ${describeValue(dataDir)}`,
        expected: 'a folder inside',
      })
    return [
      {
        name,
        isDefault: given['default'] === true,
        dataDir: typeof dataDir === 'string' ? dataDir.replace(/^\.\/|\/+$/g, '') : '',
        splits: splitsOf(given['data_files'], place, problems),
        given,
        placeOf: (key) => (key === undefined ? place() : place(key)),
      },
    ]
  })
  const twice = configs.find(({ name }, i) => configs.findIndex((own) => own.name === name) < i)
  if (twice !== undefined)
    problems.push({
      place: twice.placeOf('config_name'),
      found: `the config ${twice.name} twice`,
      expected: 'a name of its own for each',
      cure: 'Rename one of them.',
    })
  if (problems.length > 0) throw new FettleError(problems)
  return configs
}

/** `data_files`: a pattern, patterns, or splits with theirs. */
function splitsOf(
  value: unknown,
  place: (...path: (string | number)[]) => string,
  problems: Problem[],
): SplitPatterns[] | undefined {
  if (value === undefined || value === null) return undefined
  const expected = 'a pattern, a list of patterns, or a list of { split, path }'
  const patterns = patternsOf(value)
  if (patterns !== undefined) return [{ split: 'train', patterns }]
  // `datasets` itself takes a mapping from its callers, and no file has one.
  if (!Array.isArray(value) || value.length === 0) {
    problems.push({ place: place('data_files'), found: `data_files: ${describeValue(value)}`, expected })
    return undefined
  }
  const splits: SplitPatterns[] = []
  for (const [i, item] of value.entries()) {
    const own = isJsonObject(item) ? patternsOf(item['path']) : undefined
    const split = isJsonObject(item) ? item['split'] : undefined
    if (typeof split !== 'string' || own === undefined)
      problems.push({ place: place('data_files', i), found: describeValue(item), expected })
    else if (!splitName.test(split))
      problems.push({
        place: place('data_files', i, 'split'),
        found: `the split '${split}'`,
        expected: 'letters, digits and _',
      })
    else if (splits.some((known) => known.split === split))
      problems.push({
        place: place('data_files', i, 'split'),
        found: `the split ${split} twice`,
        expected: 'each split once',
        cure: 'Write its files as one list: path: [a, b].',
      })
    else splits.push({ split, patterns: own })
  }
  return splits
}

function patternsOf(value: unknown): string[] | undefined {
  const list = typeof value === 'string' ? [value] : value
  return Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === 'string')
    ? (list as string[])
    : undefined
}
