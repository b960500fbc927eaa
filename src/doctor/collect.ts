import { existsSync, statSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { dirname, extname, isAbsolute, join } from 'node:path'
import { parseChatTemplate } from '../chat/index.ts'
import { holdsData, isDataFile } from '../data/index.ts'
import { FettleError, messageOf, withArticle } from '../error.ts'
import { isGgufName } from '../formats/index.ts'
import { checkModel } from '../model/index.ts'
import { AutoTokenizer } from '../tokenizer/index.ts'
import { looksLikeRun, readFinishedRun } from './finished-run.ts'
import { isJsonObject, readJsonObject } from './json-file.ts'
import { readMachine, type Machine } from './machine.ts'
import { readAdapterFiles, readModelFiles } from './model-files.ts'
import type { Patient, TokenizerFacts } from './patient.ts'
import { isRunFile, readRunFile, toSettings, type DataReference, type RunSettings } from './run-settings.ts'
import { readRunOptions, yamlLayer } from '../train/index.ts'

/** What to look at. What a path is, its files tell. */
export interface Subjects {
  paths?: readonly string[]
  model?: string | undefined
  adapter?: string | undefined
  data?: readonly string[]
  evalData?: readonly string[]
  /** A run file or a run's folder. */
  run?: string | undefined
  /** Instead of this computer, for tests and for planning. */
  machine?: Machine
}

type Kind = 'model' | 'adapter' | 'tokenizer' | 'data' | 'run' | 'finished'

/**
 * What a path is: model, adapter, tokenizer, data, run file or a run's folder.
 *
 * @throws FettleError when it is nothing of that
 */
async function kindOf(path: string): Promise<Kind> {
  if (!existsSync(path)) {
    if (await holdsData(path)) return 'data'
    throw unknownPath(path, 'nothing')
  }
  if (statSync(path).isDirectory()) {
    const names = await readdir(path)
    if (looksLikeRun(names)) return 'finished'
    if (names.includes('adapter_config.json')) return 'adapter'
    if (names.includes('config.json')) return 'model'
    if (names.includes('tokenizer.json')) return 'tokenizer'
    if (await holdsData(path)) return 'data'
    throw unknownPath(path, `a folder with ${names.slice(0, 8).join(', ') || 'nothing in it'}`)
  }
  const extension = extname(path).toLowerCase()
  if (extension === '.gguf') return 'model'
  if (extension === '.yaml' || extension === '.yml') return 'run'
  if (extension === '.json') return (await isRunJson(path)) ? 'run' : 'data'
  if (isDataFile(path)) return 'data'
  throw unknownPath(
    path,
    extension === '' ? 'a file without extension' : withArticle(`${extension} file`),
    'Data is .jsonl or .json, a run file .yaml.',
  )
}

/** A run file is small; data may be large, and a list. */
async function isRunJson(path: string): Promise<boolean> {
  if (statSync(path).size > 1_000_000) return false
  try {
    return isRunFile(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return false
  }
}

function unknownPath(path: string, found: string, cure = 'Check the path.'): FettleError {
  return new FettleError({
    place: path,
    found,
    expected: 'a model folder or .gguf file, an adapter, a data file, a run file or the folder of a run',
    cure,
  })
}

/** Reads the files of everything there is to look at; what cannot be read becomes a problem, not an error. */
export async function collect(subjects: Subjects): Promise<Patient> {
  const patient: Patient = {
    data: [],
    machine: subjects.machine ?? (await readMachine()),
    problems: [],
    notices: [],
    elsewhere: [],
  }
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work()
    } catch (error) {
      const problem = asFettleError(error)
      // Several readers may open the same file.
      if (patient.problems.every(({ message }) => message !== problem.message)) patient.problems.push(problem)
      return undefined
    }
  }
  const paths: Record<Kind, string[]> = {
    model: [],
    adapter: [],
    tokenizer: [],
    data: [],
    run: [],
    finished: [],
  }
  for (const path of [...(subjects.paths ?? []), ...(subjects.run === undefined ? [] : [subjects.run])])
    await attempt(async () => void paths[await kindOf(path)].push(path))

  const [runFolder] = paths.finished
  if (runFolder !== undefined) {
    const finished = await attempt(() => readFinishedRun(runFolder))
    if (finished) {
      patient.finished = finished
      if (finished.settings) patient.run = finished.settings
      if (existsSync(join(finished.weights, 'adapter_config.json'))) paths.adapter.push(finished.weights)
      else if (existsSync(join(finished.weights, 'config.json'))) paths.model.push(finished.weights)
    }
  }
  const [runPath] = paths.run
  const run = runPath === undefined ? undefined : await attempt(() => readRunFile(runPath))
  if (run) patient.run = (await attempt(() => withDefaults(run))) ?? run

  const adapterPath = subjects.adapter ?? paths.adapter[0] ?? existing(patient.run, patient.run?.adapter)
  const adapter = adapterPath === undefined ? undefined : await attempt(() => readAdapterFiles(adapterPath))
  if (adapter) patient.adapter = adapter

  const named = adapter?.config['base_model_name_or_path']
  const modelPath =
    subjects.model ??
    paths.model[0] ??
    existing(patient.run, patient.run?.model) ??
    (typeof named === 'string' && existsSync(named) ? named : undefined)
  const model = modelPath === undefined ? undefined : await attempt(() => readModelFiles(modelPath))
  if (model) patient.model = model
  // What loading would say: the checks look at what it does not refuse.
  if (model) patient.notices.push(...((await attempt(() => checkModel(model.path))) ?? []))

  const hasTokenizer = (path: string | undefined): path is string =>
    path !== undefined && (isGgufName(path) || existsSync(join(path, 'tokenizer.json')))
  const tokenizerPaths = [paths.tokenizer[0], adapterPath, modelPath].filter(hasTokenizer)
  const own = tokenizerPaths.at(0)
  const base = hasTokenizer(modelPath) && modelPath !== own ? modelPath : undefined
  const tokenizer = own === undefined ? undefined : await attempt(() => readTokenizer(own, patient))
  if (tokenizer) patient.tokenizer = tokenizer
  const baseTokenizer = base === undefined ? undefined : await attempt(() => readTokenizer(base, patient))
  if (baseTokenizer) patient.baseTokenizer = baseTokenizer
  // A model without a tokenizer is a problem; a tokenizer's own loader says best which file is missing.
  if (own === undefined && modelPath !== undefined)
    await attempt(() => AutoTokenizer.fromPretrained(modelPath))

  const given = [...paths.data, ...(subjects.data ?? [])]
  const train: DataReference[] =
    given.length > 0 ? given.map((path) => withSettings(path, patient.run)) : (patient.run?.train ?? [])
  const evaluation: DataReference[] = subjects.evalData
    ? subjects.evalData.map((path) => ({ path }))
    : given.length > 0
      ? []
      : (patient.run?.evaluation ?? [])
  for (const [split, references] of [
    ['train', train],
    ['eval', evaluation],
  ] as const)
    for (const reference of references) {
      const path = await existingData(patient.run, reference.path)
      if (path !== undefined) patient.data.push({ ...reference, path, split })
      // A finished run's data may be elsewhere, or on the hub; that is no fault of the run.
      else if (patient.finished !== undefined) continue
      else if (patient.run?.maker === 'another' && extname(reference.path) === '')
        patient.elsewhere.push(reference.path)
      else patient.problems.push(unknownPath(reference.path, 'nothing'))
    }
  return patient
}

/**
 * A run file of fettle's own, with the defaults that the run would have.
 *
 * @throws FettleError with everything that `fettle train` would refuse in it
 */
async function withDefaults(run: RunSettings): Promise<RunSettings> {
  if (run.maker !== 'fettle') return run
  const { readYaml } = await import('../formats/yaml/index.ts')
  const file = readYaml(await readFile(run.place, 'utf8'), run.place)
  const options = readRunOptions([yamlLayer(file, run.place)])
  return toSettings(run.place, { ...options })
}

/** A path as it is, or as seen from the run file. */
function existing(run: RunSettings | undefined, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  if (existsSync(path)) return path
  const beside = run === undefined || isAbsolute(path) ? path : join(dirname(run.place), path)
  return existsSync(beside) ? beside : undefined
}

/** The same for data, which may be a pattern, or a folder with splits behind it. */
async function existingData(run: RunSettings | undefined, path: string): Promise<string | undefined> {
  if (await holdsData(path)) return path
  const beside = run === undefined || isAbsolute(path) ? path : join(dirname(run.place), path)
  return (await holdsData(beside)) ? beside : undefined
}

/** A data file given by itself is read as the run file says, where that names it too. */
function withSettings(path: string, run: RunSettings | undefined): DataReference {
  return run?.train.find((reference) => reference.path === path) ?? { path }
}

async function readTokenizer(path: string, patient: Patient): Promise<TokenizerFacts> {
  const tokenizer = await AutoTokenizer.fromPretrained(path)
  patient.notices.push(...tokenizer.notices)
  const config = isGgufName(path) ? undefined : await readJsonObject(join(path, 'tokenizer_config.json'))
  const facts: TokenizerFacts = { path, tokenizer, config: isJsonObject(config) ? config : {} }
  const source = tokenizer.chatTemplate
  if (source === undefined) return facts
  try {
    return { ...facts, template: parseChatTemplate(source) }
  } catch (error) {
    patient.problems.push(asFettleError(error, `${path}: chat template`))
    return facts
  }
}

/** Any error, as one that says where it happened. */
export function asFettleError(error: unknown, place = 'fettle doctor'): FettleError {
  if (error instanceof FettleError)
    return place === 'fettle doctor'
      ? error
      : new FettleError(
          error.problems.map((problem) =>
            problem.place.startsWith(place) ? problem : { ...problem, place: `${place}: ${problem.place}` },
          ),
          { cause: error },
        )
  return new FettleError({ place, found: messageOf(error) }, { cause: error })
}
