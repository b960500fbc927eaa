import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import type { Patient } from '../../patient.ts'
import { plural } from '../../../plural.ts'

/** What `fettle train` takes when the run file does not say. */
const defaultMaxLength = 1024
/** Share of answers without an end from which on models were seen not to stop (open-instruct#1876: 2%). */
const badShare = 0.01

function lengthLimit({ run, finished }: Patient): number | undefined {
  if (run?.maxLength !== undefined) return run.maxLength
  return run === undefined || finished !== undefined ? undefined : defaultMaxLength
}

/** What max_length cuts off, token by token: the ledger of a run. */
export const cutAnswers: Check = {
  looksFor: 'answers that max_length cuts before their stop token',
  observe(patient) {
    const limit = lengthLimit(patient)
    if (limit === undefined) return undefined
    const rows = createTally()
    const ledger = { tokens: 0, dropped: 0, learnedDropped: 0, answers: 0, cutStops: 0, emptied: 0 }
    return {
      example({ place, example: { inputIds, mask, spans } }) {
        const length = inputIds.length
        ledger.tokens += length
        ledger.answers += spans.length
        if (length <= limit) return
        ledger.dropped += length - limit
        ledger.learnedDropped += mask.subarray(limit).reduce((sum, bit) => sum + bit, 0)
        const cut = spans.filter(({ end, status }) => end > limit && status !== 'no-stop').length
        ledger.cutStops += cut
        if (!mask.subarray(1, limit).includes(1)) ledger.emptied += 1
        rows.add(() => ({
          place,
          says: `${plural(length, 'token')}, ${plural(cut, 'stop token')} behind the cut`,
        }))
      },
      finish() {
        if (rows.count === 0) return []
        const { tokens, dropped, learnedDropped, answers, cutStops, emptied } = ledger
        const number = (value: number) => value.toLocaleString('en')
        return [
          {
            severity: cutStops >= badShare * answers && cutStops > 0 ? 'error' : 'warning',
            place: rows.evidence[0]?.place ?? '',
            found: `max_length ${limit} cuts ${plural(rows.count, 'row')}: of ${plural(tokens, 'token')} ${number(tokens - dropped)} are kept and ${number(dropped)} dropped, ${number(learnedDropped)} of them learned; ${number(cutStops)} of ${plural(answers, 'answer')} without stop token${emptied > 0 ? `, ${plural(emptied, 'row')} without anything that is learned` : ''}`,
            evidence: rows.evidence,
            why: 'An answer without its end teaches the model to go on: a few per cent are enough that it does not stop.',
            cure: 'Raise max_length, shorten or split these rows, or leave them out.',
          },
        ]
      },
    }
  },
}
