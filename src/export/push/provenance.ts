import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { FettleError, quoteValue } from '../../error.ts'
import { isJsonObject, parseJsonObject, type JsonObject } from '../../formats/foreign/index.ts'
import { readRunEvents, type RunEvents } from '../../train/report/index.ts'
import { readRunRecord, recordFile, type RunRecord } from '../../train/runs/index.ts'
import { readLicence } from '../model-card.ts'
import type { ChosenFiles } from './choose-files.ts'
import { isLocal } from './public-files.ts'

/** What is known of where a model comes from. */
export interface Provenance {
  /** The base model's name on the Hub; undefined where nobody says it. */
  base: string | undefined
  /** As the Hub writes it. */
  license: string | undefined
  record: RunRecord | undefined
  events: RunEvents | undefined
  certificate: JsonObject | undefined
}

/** The name of a model on the Hub. */
export const hubName = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/

/**
 * Gathers what files here say of a model: its run, its certificate, its base.
 *
 * @param given  what the user says above it
 */
export async function provenanceOf(
  { folder, certificate: certified }: ChosenFiles,
  given: { baseModel?: string | undefined; license?: string | undefined; run?: string | undefined },
): Promise<Provenance> {
  const certificate = certified === undefined ? undefined : await readObject(join(folder, certified))
  const adapter = pathIn(certificate?.['adapter'])
  const run = given.run ?? [folder, dirname(resolve(folder)), adapter].find(isRun)
  if (run !== undefined && !isRun(run))
    throw new FettleError({
      place: 'run',
      found: `no ${recordFile} in ${run}`,
      expected: 'the folder of a run',
    })
  const record = run === undefined ? undefined : await readRunRecord(run)
  const config = await readObject(join(folder, 'adapter_config.json'))
  const local = [config?.['base_model_name_or_path'], pathIn(certificate?.['base']), record?.model].filter(
    (each) => typeof each === 'string',
  )
  const base = given.baseModel ?? (await firstOnHub(local))
  return {
    base: base === 'none' ? undefined : base,
    license: given.license ?? (await firstLicence([folder, ...local])),
    record,
    events: run === undefined ? undefined : await readRunEvents(run).catch(() => undefined),
    certificate,
  }
}

function isRun(folder: string | undefined): folder is string {
  return folder !== undefined && existsSync(join(folder, recordFile))
}

function pathIn(value: unknown): string | undefined {
  return isJsonObject(value) && typeof value['path'] === 'string' ? value['path'] : undefined
}

async function readObject(path: string): Promise<JsonObject | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : parseJsonObject(text, path)
}

/** The first of several names that is one of the Hub's, also by the folder of its cache. */
async function firstOnHub(names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    if (!isLocal(name) && hubName.test(name)) return name
    const cached = /(?:^|[\\/])models--([^\\/]+?)--([^\\/]+)[\\/]snapshots(?:[\\/]|$)/.exec(name)
    if (cached) return `${cached[1]}/${cached[2]}`
    const said = (await readObject(join(name, 'config.json')).catch(() => undefined))?.['_name_or_path']
    if (typeof said === 'string' && !isLocal(said) && hubName.test(said)) return said
  }
  return undefined
}

async function firstLicence(folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const licence = await readLicence(folder)
    if (licence !== undefined) return licence
  }
  return undefined
}

/**
 * @throws FettleError where an adapter names no base that others could load, and where a name is none of the Hub's
 */
export function checkBase(
  { kind, folder }: ChosenFiles,
  { base }: Provenance,
  given: string | undefined,
): void {
  if (base !== undefined && !hubName.test(base))
    throw new FettleError({
      place: 'baseModel',
      found: quoteValue(base),
      expected: 'the name of a model on the Hub, owner/name, or none',
    })
  if (base !== undefined || kind !== 'adapter') return
  throw new FettleError({
    place:
      given === undefined ? `${join(folder, 'adapter_config.json')}: base_model_name_or_path` : 'baseModel',
    found: given ?? 'no name of the Hub, so that nobody else could load the adapter',
    expected: 'the name of the base model on the Hub',
    cure: 'Say it with --base-model OWNER/NAME (baseModel); where the base is not there, push the merged model.',
  })
}
