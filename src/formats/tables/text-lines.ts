import { decodeUtf8 } from '../text.ts'
import { createLineSource } from '../json/line-source.ts'
import { readBytes } from './bytes.ts'

/**
 * The lines of a text file that say something, without their line ends.
 *
 * @throws FettleError `file:line: …` at the first that is not UTF-8
 */
export async function* readTextLines(path: string): AsyncGenerator<{ text: string; line: number }> {
  const lines = createLineSource(readBytes(path, 'a text file'))
  for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
    const text = decodeUtf8(line.bytes, `${path}:${line.number}`, line.number === 1).replace(/\r$/, '')
    if (text.trim() !== '') yield { text, line: line.number }
  }
}
