import type { FettleError, Problem } from '../../error.ts'
import type { Check } from '../check.ts'
import { createTally } from '../check.ts'
import type { Draft } from '../diagnosis.ts'
import { plural } from '../../plural.ts'

const why = 'What cannot be read is not trained on, or ends the run.'

function asDraft({ place, found, expected, cure }: Problem): Draft {
  return {
    severity: 'error',
    place,
    found: expected === undefined ? found : `${found}; expected ${expected}`,
    evidence: [],
    why,
    cure: cure ?? 'Correct the file.',
  }
}

function noticeDraft({ place, found, expected, cure }: Problem): Draft {
  return {
    severity: 'note',
    place,
    found: expected === undefined ? found : `${found}; expected ${expected}`,
    evidence: [],
    why: 'Who made the file meant something by it, and fettle computes without it.',
    cure: cure ?? 'Nothing, where the model answers as it should.',
  }
}

function elsewhereDraft(place: string, names: readonly string[]): Draft {
  return {
    severity: 'note',
    place,
    found: `data that are not files here: ${names.join(', ')}`,
    evidence: [],
    why: 'Names in a registry or on the hub: without the rows, nothing is said about masks, lengths or duplicates.',
    cure: 'Give the rows with --data train.jsonl.',
  }
}

/** Files that are missing, broken, refused by the loader or not read whole, and rows that are in no known format. */
export const readable: Check = {
  looksFor:
    'files and rows that cannot be read, models that loading refuses, and what of their files nothing reads',
  examine: ({ problems, notices, elsewhere, run }) => [
    ...notices.map(noticeDraft),
    ...problems
      .flatMap(({ problems }) => problems)
      // Bytes that are no UTF-8 have a check of their own.
      .filter(({ found }) => !found.includes('not UTF-8'))
      .map(asDraft),
    ...(elsewhere.length === 0 ? [] : [elsewhereDraft(run?.place ?? '', elsewhere)]),
  ],
  observe() {
    const tally = createTally()
    let first: FettleError | undefined
    return {
      refused({ place, stage, error }) {
        if (stage !== 'format') return
        first ??= error
        tally.add(() => ({ place, says: error.problems[0]?.found ?? error.message }))
      },
      finish() {
        const problem = first?.problems[0]
        if (problem === undefined) return []
        return [
          {
            ...asDraft(problem),
            found: `${plural(tally.count, 'row')} cannot be read: ${problem.found}`,
            evidence: tally.evidence,
          },
        ]
      },
    }
  },
}
