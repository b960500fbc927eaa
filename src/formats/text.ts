import { isUtf8 } from 'node:buffer'
import { readFile, stat } from 'node:fs/promises'
import { FettleError, messageOf } from '../error.ts'
import { fileFault } from '../file-faults.ts'
import { parseJsonObject, refuseWideText, type JsonObject } from './foreign/index.ts'

/**
 * The text of a file, without its byte order mark.
 *
 * @throws FettleError that names the file, when it cannot be read or is not UTF-8
 */
export async function readTextFile(path: string, expected = 'a text file'): Promise<string> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    throw explainUnreadable(path, error, expected)
  }
  return decodeUtf8(bytes, path)
}

/** More than any settings of a model or a run take: parsed, a text is several times as large. */
const mostJsonBytes = 1 << 26

/**
 * The object in a JSON file of settings.
 *
 * @throws FettleError that names the file, when it cannot be read, is no ordinary file, is too large or holds something else
 */
export async function readJsonFile(path: string): Promise<JsonObject> {
  const expected = 'a JSON file'
  const info = await stat(path).catch((error: unknown) => {
    throw explainUnreadable(path, error, expected)
  })
  // A pipe or a device may never end.
  if (!info.isFile() && !info.isDirectory())
    throw new FettleError({ place: path, found: 'a pipe or a device', expected, cure: 'Check the path.' })
  if (info.size > mostJsonBytes)
    throw new FettleError({ place: path, found: `${info.size} bytes`, expected: `at most ${mostJsonBytes}` })
  return parseJsonObject(await readTextFile(path, expected), path)
}

/**
 * Text of UTF-8 bytes.
 *
 * @param isStart  whether a file begins with these bytes: a byte order mark is no text there
 * @throws         FettleError that says what the bytes are instead
 */
export function decodeUtf8(bytes: Buffer, place: string, isStart = true): string {
  if (isStart) refuseWideText(bytes, place)
  if (!isUtf8(bytes))
    throw new FettleError({
      place,
      found: `bytes that are not UTF-8 (${describeBadBytes(bytes)})`,
      expected: 'UTF-8',
      cure: 'Convert the file to UTF-8, for instance with iconv.',
    })
  const text = bytes.toString('utf8')
  return isStart && text.startsWith('\uFEFF') ? text.slice(1) : text
}

/** Value and place of the first byte that breaks UTF-8: decoding puts U+FFFD there. */
function describeBadBytes(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  const at = Buffer.byteLength(text.slice(0, text.indexOf('\uFFFD')))
  return `0x${bytes[at].toString(16)} at byte ${at + 1}`
}

/** An error of the file system with the path, which the system's own may lack; any other error stays as it is. */
export function explainUnreadable(path: string, error: unknown, expected: string): unknown {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return error
  const fault = fileFault(error)
  const { found, cure } = fault ?? { found: messageOf(error), cure: 'Check the path.' }
  const isOfFile = fault === undefined || fault.exitCode === 2
  return new FettleError(
    { place: path, found, ...(isOfFile && { expected }), cure },
    { exitCode: isOfFile ? 2 : 1, cause: error },
  )
}
