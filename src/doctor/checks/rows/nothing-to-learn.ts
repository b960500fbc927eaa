import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import { plural } from '../../../plural.ts'

/** Rows in which no token is learned. */
export const nothingToLearn: Check = {
  looksFor: 'rows with nothing to learn',
  observe() {
    const tally = createTally()
    let rows = 0
    return {
      example({ place, conversation, example: { mask } }) {
        rows += 1
        // The first token has nothing before it that could predict it.
        if (mask.includes(1, 1)) return
        tally.add(() => ({
          place,
          says:
            conversation.kind === 'messages'
              ? `roles ${conversation.messages.map(({ role }) => role).join(', ')}`
              : plural(mask.length, 'token'),
        }))
      },
      finish: () =>
        tally.count === 0
          ? []
          : [
              {
                severity: tally.count === rows ? 'error' : 'warning',
                place: tally.evidence[0]?.place ?? '',
                found: `${plural(tally.count, 'row')} of ${rows} with nothing to learn`,
                evidence: tally.evidence,
                why: 'They cost time and change nothing; where it is all rows, so is the run.',
                cure: 'Is the answer in a role that is not assistant (map it with roles), empty, or marked train: false?',
              },
            ],
    }
  },
}
