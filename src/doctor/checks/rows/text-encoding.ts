import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import { excerptOf } from '../../diagnosis.ts'
import { plural } from '../../../plural.ts'

/**
 * UTF-8 that was read as Latin-1 or Windows-1252 (é became Ã©, ’ became â€™, 😀 became ðŸ˜€), and the character that
 * stands for what could not be decoded.
 */
const mojibake =
  /Ã[\u0080-\u00BF\u0152-\u0192\u02C6\u02DC\u2013-\u203A\u20AC\u2122]|Â[\u00A0-\u00BF]|â€[\u0080-\u00BF\u0152\u0153\u02DC\u2018-\u203A\u20AC\u2122]|ðŸ|ï»¿|\uFFFD/

/** Texts that were decoded wrongly, and bytes that cannot be decoded. */
export const textEncoding: Check = {
  looksFor: 'invalid UTF-8 and texts that were decoded wrongly',
  examine: ({ problems }) =>
    problems
      .flatMap(({ problems }) => problems)
      .filter(({ found }) => found.includes('not UTF-8'))
      .map(({ place, found, cure }) => ({
        severity: 'error',
        place,
        found,
        evidence: [],
        why: 'The run stops here, and what follows was not looked at.',
        cure: cure ?? 'Convert the file to UTF-8.',
      })),
  observe() {
    const tally = createTally()
    return {
      row({ value }, place) {
        const text = firstMatch(value, 0)
        if (text === undefined) return
        tally.add(() => {
          const match = mojibake.exec(text)
          const at = match?.index ?? 0
          return { place, excerpt: excerptOf(text, at, at + (match?.[0].length ?? 1)) }
        })
      },
      finish: () =>
        tally.count === 0
          ? []
          : [
              {
                severity: 'warning',
                place: tally.evidence[0]?.place ?? '',
                found: `${plural(tally.count, 'row')} with characters that were decoded wrongly`,
                evidence: tally.evidence,
                why: 'The model learns to write them so.',
                cure: 'Make the data anew from a source in UTF-8, or repair them (in Python: ftfy.fix_text).',
              },
            ],
    }
  },
}

/** Deeper than any chat format nests. */
const deepest = 12

function firstMatch(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return mojibake.test(value) ? value : undefined
  if (typeof value !== 'object' || value === null || depth > deepest) return undefined
  for (const item of Object.values(value)) {
    const found = firstMatch(item, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}
