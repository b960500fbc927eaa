import { FettleError } from '../../error.ts'
import { decodeUtf8 } from '../text.ts'
import { createLineSource } from '../json/line-source.ts'
import { placeOf, readBytes, type ByteInput } from './bytes.ts'

/** What of a text file is a row. */
export type TextUnit = 'line' | 'paragraph' | 'document'

/** As many characters as a text can have. */
const mostCharacters = 1 << 29

/**
 * The lines of a text file that say something, without their line ends; or its paragraphs, which empty lines part, or all of it.
 *
 * @throws FettleError `file:line: …` at the first that is not UTF-8
 */
export async function* readTextLines(
  input: string | ByteInput,
  unit: TextUnit = 'line',
): AsyncGenerator<{ text: string; line: number }> {
  const path = placeOf(input)
  const bytes = readBytes(input, 'a text file')
  const lines = createLineSource(bytes)
  let kept: string[] = []
  let characters = 0
  let first = 1
  const take = (): { text: string; line: number }[] => {
    const text = kept.join('\n')
    kept = []
    characters = 0
    return text.trim() === '' ? [] : [{ text, line: first }]
  }
  try {
    for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
      if (line.isTooLong) throw tooLong(line.number, 'line')
      const text = decodeUtf8(line.bytes, `${path}:${line.number}`, line.number === 1).replace(/\r$/, '')
      if (unit === 'paragraph' && text === '') yield* take()
      else {
        if (kept.length === 0) first = line.number
        kept.push(text)
        characters += text.length + 1
      }
      if (unit === 'line') yield* take()
      if (characters > mostCharacters) throw tooLong(first, unit)
    }
    yield* take()
  } finally {
    // Closes the file, also where nobody reads to the end.
    await bytes.return(undefined)
  }

  function tooLong(number: number, what: TextUnit): FettleError {
    return new FettleError({
      place: `${path}:${number}`,
      found: `a ${what} of more than ${mostCharacters} characters`,
      expected: 'less than 512 MiB',
    })
  }
}
