import { existsSync } from 'node:fs'
import { FettleError } from '../../error.ts'
import { isSamePlace } from '../../formats/index.ts'

/** @throws FettleError when a folder is the one that the model is read from, whose weights may be read again */
export function checkOwnFolder(folder: string, place: string): void {
  if (!existsSync(folder) || !isSamePlace(folder, place)) return
  throw new FettleError({
    place: folder,
    found: 'the folder of the model itself',
    expected: 'another one: the model is still read from it',
    cure: 'Choose a new folder.',
  })
}
