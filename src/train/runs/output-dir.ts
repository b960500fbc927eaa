import { existsSync, readdirSync, statSync } from 'node:fs'
import { FettleError, listNames } from '../../error.ts'
import { isSamePlace, nameInside } from '../../formats/index.ts'
import type { TrainOptions } from '../options/index.ts'
import { modelFiles } from './checkpoint.ts'
import { recordFile, type RunRecord } from './records.ts'

/** What a run leaves besides its result. */
const ofRun = /^(checkpoint|diverged|damaged|foreign|superseded)-\d+$/
const ofModel = /^(config\.json|adapter_config\.json|.*\.(safetensors|bin|pt|pth))$/i

/**
 * Refuses a folder whose files are read: writing would change what the run starts from.
 *
 * @throws FettleError that says what lies there
 */
export function refuseHarm(
  outputDir: string,
  modelPath: string,
  { adapter }: Pick<TrainOptions, 'adapter'>,
): void {
  const isFolder = existsSync(modelPath) && statSync(modelPath).isDirectory()
  const read = [
    ...(isFolder || isSamePlace(outputDir, modelPath)
      ? [{ what: 'the folder of the base model', path: modelPath }]
      : []),
    ...(adapter === null
      ? []
      : [{ what: 'the folder of the adapter that the run starts from', path: adapter }]),
  ]
  for (const { what, path } of read) {
    const isSame = isSamePlace(outputDir, path)
    const below = nameInside(outputDir, path)
    // Where case tells nothing apart, the name may be written in another one.
    if (isSame || (below !== undefined && ofRun.test(below.toLowerCase())))
      throw new FettleError({
        place: 'output_dir',
        found: isSame ? `${outputDir}, ${what}` : `${outputDir}, whose ${below} is ${what}`,
        expected: 'a folder of its own, so that nothing that is read is written',
        cure: 'Choose another output_dir.',
      })
  }
}

/**
 * Refuses a folder that holds another run, or a model that no run wrote.
 *
 * @param record  of the run that the folder says to be of; null where it cannot be read
 */
export function refuseOtherRun(
  folder: string,
  record: RunRecord | null | undefined,
  overwrite: boolean,
): void {
  const names = readdirSync(folder)
  const ofAnother = names.filter((name) => ofRun.test(name) || ofModel.test(name))
  if (ofAnother.length === 0) return
  const isModel = !record && (names.includes('config.json') || names.includes('model.safetensors'))
  if (overwrite && !isModel) return
  const begun = record ? ` of ${record.run.started}` : ''
  throw new FettleError({
    place: folder,
    found: isModel
      ? `a model that no run of fettle is known to have written (${listNames(ofAnother)})`
      : names.includes(recordFile) || ofAnother.some((name) => ofRun.test(name))
        ? `another run${begun} (${listNames(ofAnother)})`
        : `what another run may have left (${listNames(ofAnother)})`,
    expected: 'a new or empty folder',
    cure: isModel
      ? 'Choose another output_dir.'
      : 'Choose another output_dir, go on with that run (--resume), or replace it with overwrite: true (--overwrite).',
  })
}

/** What of a folder goes when its run is replaced: its checkpoints and its result; of what says of no run only an adapter. */
export function replacedNames(folder: string, record: RunRecord | null | undefined): string[] {
  const told = ['events.jsonl', 'report.html', 'tensorboard']
  const result = [
    ...told,
    ...(record === undefined ? ['adapter_config.json', 'adapter_model.safetensors'] : modelFiles),
  ]
  return readdirSync(folder).filter((name) => ofRun.test(name) || result.includes(name))
}
