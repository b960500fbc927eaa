import { FettleError } from '../../error.ts'
import { listZip } from '../../formats/index.ts'
import { note, type InvalidRowOptions } from '../report.ts'
import { chooseFiles } from './data-files.ts'
import { matching } from './listing.ts'
import type { ReaderSettings } from './parts.ts'
import type { Input } from './input.ts'

/**
 * The files of an archive that hold rows, in the order of their names: those of the kind that most of them are.
 *
 * @throws FettleError where there are none
 */
export async function* openArchive(
  path: string,
  settings: ReaderSettings,
  { report }: InvalidRowOptions,
): AsyncGenerator<Input> {
  const members = await listZip(path)
  const names = members.map(({ name }) => name).sort()
  const { kind, chosen, notes } = chooseFiles(matching(names, '**'), path)
  for (const text of notes) note(report, text)
  if (kind === 'zip' || kind === 'parquet')
    throw new FettleError({
      place: `${path}/${chosen[0]}`,
      found: `a .${kind} file in an archive`,
      expected: 'texts or Arrow there',
      cure: `Unpack it: unzip ${path}.`,
    })
  for (const name of chosen) {
    const member = members.find((own) => own.name === name)
    if (member === undefined) continue
    const file = `${path}/${name}`
    yield { file, kind, settings, bytes: { place: file, open: member.open } }
  }
}
