import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import { excerptOf, type Draft } from '../../diagnosis.ts'
import type { Patient } from '../../patient.ts'
import { plural } from '../../../plural.ts'

/** Two bos tokens at the beginning: in rows, or in what a tool makes that tokenises rendered chats as text. */
export const doubleBos: Check = {
  looksFor: 'texts that begin with two bos tokens',
  async examine(patient): Promise<Draft[]> {
    const { tokenizer: facts, finished } = patient
    if (facts?.template === undefined) return []
    const { tokenizer } = facts
    const { bosToken, bosTokenId } = tokenizer
    if (bosToken === undefined || bosToken === '') return []
    const text = rendered(patient)
    if (text === undefined || !text.startsWith(bosToken)) return []
    const { inputIds } = await tokenizer.encode(text)
    if (inputIds[0] !== bosTokenId || inputIds[1] !== bosTokenId) return []
    const byOthers = finished !== undefined && finished.maker !== 'fettle'
    return [
      {
        severity: byOthers ? 'warning' : 'note',
        place: facts.path,
        found: `the template writes ${bosToken} and the tokenizer adds it again`,
        evidence: [
          { token: bosToken, excerpt: excerptOf(bosToken + text, 0, bosToken.length * 2), says: 'as text' },
        ],
        why: 'Who renders a chat to text and tokenises that text trains and serves with two bos tokens, which the model has never seen.',
        cure: 'fettle adds none to rendered chats. Elsewhere tokenise them with add_special_tokens=False.',
      },
    ]
  },
  observe({ tokenizer: facts }) {
    const bosId = facts?.tokenizer.bosTokenId
    if (facts === undefined || bosId === undefined) return undefined
    const { tokenizer } = facts
    const tally = createTally()
    return {
      example({ place, example: { inputIds } }) {
        if (inputIds[0] !== bosId || inputIds[1] !== bosId) return
        tally.add(() => {
          const twice = tokenizer.decode([bosId, bosId])
          const text = twice + tokenizer.decode(inputIds.subarray(2, 24))
          return { place, token: tokenizer.bosToken ?? '', excerpt: excerptOf(text, 0, twice.length) }
        })
      },
      finish: () =>
        tally.count === 0
          ? []
          : [
              {
                severity: 'error',
                place: tally.evidence[0]?.place ?? '',
                found: `${plural(tally.count, 'row begins', 'rows begin')} with two bos tokens`,
                evidence: tally.evidence,
                why: 'The model learns texts that begin as no server will begin them.',
                cure: 'Take one of them out of the data, or give fettle the messages instead of texts.',
              },
            ],
    }
  },
}

function rendered({ tokenizer: facts }: Patient): string | undefined {
  try {
    return facts?.tokenizer.applyChatTemplate([{ role: 'user', content: 'Hello' }])
  } catch {
    return undefined
  }
}
