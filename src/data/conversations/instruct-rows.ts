import type { Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { describeValue } from '../../formats/json/index.ts'
import { formatOrigin, readText, type Row } from '../row.ts'
import { isNothing } from '../values.ts'

/** Alpaca's columns: earlier turns, the instruction with its input below it, then the output. */
export function readInstruct(row: Row): Message[] {
  const { value } = row
  const optional = (column: string) => (isNothing(value[column]) ? [] : [readText(row, column)])
  const question = [...optional('instruction'), ...optional('input')].join('\n\n')
  if (question === '')
    throw new FettleError({
      place: formatOrigin(row.origin),
      found: 'neither instruction nor input',
      expected: 'a text in one of them',
    })
  return [
    ...readHistory(row),
    { role: 'user', content: question },
    { role: 'assistant', content: readText(row, 'output') },
  ]
}

/** Earlier turns as pairs of question and answer. */
function readHistory({ value, origin }: Row): Message[] {
  const { history } = value
  if (isNothing(history)) return []
  if (!Array.isArray(history))
    throw new FettleError({
      place: formatOrigin(origin),
      found: `history is ${describeValue(history)}`,
      expected: 'pairs of question and answer',
    })
  return history.flatMap((pair: unknown, index): Message[] => {
    const [question, answer, ...more]: unknown[] = Array.isArray(pair) ? pair : []
    if (typeof question === 'string' && typeof answer === 'string' && more.length === 0)
      return [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ]
    throw new FettleError({
      place: formatOrigin(origin),
      found: `history[${index}] is ${Array.isArray(pair) ? 'a list of other things' : describeValue(pair)}`,
      expected: 'a pair of texts, question and answer',
    })
  })
}
