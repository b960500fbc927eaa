import { clipText, FettleError } from '../../error.ts'
import { nameFault } from '../foreign/file-names.ts'

/**
 * Windows writes what a colon parts from a name into a stream that nobody sees, takes off dots and blanks at the end, and sends what is
 * written to CON or NUL away.
 *
 * @param platform  for tests
 * @throws FettleError where a path to be written has such a name in it, on Windows
 */
export function refuseOddName(path: string, platform: NodeJS.Platform = process.platform): void {
  // Behind \\?\ every name is one.
  if (platform !== 'win32' || /^[\\/]{2}\?[\\/]/.test(path)) return
  for (const name of path.replace(/^[a-z]:/i, '').split(/[\\/]/)) {
    const fault = name === '.' || name === '..' ? undefined : nameFault(name)
    if (fault !== undefined)
      throw new FettleError({
        place: path,
        found: `the name ${JSON.stringify(clipText(name))} with ${fault}`,
        expected: 'a name that Windows takes for a file or folder',
        cure: 'Choose another name.',
      })
  }
}
