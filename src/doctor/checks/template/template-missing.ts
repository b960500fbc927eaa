import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import type { Patient } from '../../patient.ts'
import { plural } from '../../../plural.ts'

const hasNoTemplate = ({ tokenizer }: Patient) =>
  tokenizer !== undefined && tokenizer.tokenizer.chatTemplate === undefined

/** No chat template, where conversations are to be rendered. */
export const templateMissing: Check = {
  looksFor: 'conversations without a chat template',
  examine(patient) {
    // With data, whether a template is needed is known; the observer says it.
    if (!hasNoTemplate(patient) || patient.run?.chatTemplate !== undefined || patient.data.length > 0)
      return []
    return [
      {
        severity: patient.finished ? 'warning' : 'note',
        place: patient.tokenizer?.path ?? '',
        found: 'no chat template',
        evidence: [],
        why: 'Servers refuse chats without a template, or use one that the model was not trained with.',
        cure: "A base model needs none for plain text. For chats use setupChatFormat(model, tokenizer, 'chatml'), or chat_template: chatml in the run file.",
      },
    ]
  },
  observe(patient) {
    if (!hasNoTemplate(patient) || patient.run?.chatTemplate !== undefined) return undefined
    const tally = createTally()
    return {
      conversation({ kind }, place) {
        if (kind === 'messages') tally.add(() => ({ place }))
      },
      finish: () =>
        tally.count === 0
          ? []
          : [
              {
                severity: 'error',
                place: patient.tokenizer?.path ?? '',
                found: `no chat template, and ${plural(tally.count, 'conversation')} to render`,
                evidence: tally.evidence,
                why: 'Without a template nothing says where turns begin and end.',
                cure: "Use setupChatFormat(model, tokenizer, 'chatml'), or chat_template: chatml in the run file.",
              },
            ],
    }
  },
}
