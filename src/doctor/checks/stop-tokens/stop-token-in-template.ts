import type { Check } from '../../check.ts'
import { templateStops } from '../../patient.ts'
import { excerptOf, type Evidence } from '../../diagnosis.ts'
import type { TokenizerFacts } from '../../patient.ts'

/** The template writes no token after an answer that could end it. */
export const stopTokenInTemplate: Check = {
  looksFor: 'answers that the template ends without a stop token',
  examine(patient) {
    const { tokenizer: facts } = patient
    const stops = templateStops(patient)
    if (facts === undefined || stops === undefined) return []
    const known = stops.filter((token) => facts.tokenizer.convertTokensToIds(token) !== undefined)
    if (known.length > 0) return []
    const isText = stops.length > 0
    return [
      {
        severity: 'error',
        place: `${facts.path}: chat template`,
        found: isText
          ? `answers end in ${stops.join(' ')}, which is no token of this tokenizer`
          : 'no stop token behind an answer',
        evidence: sample(facts),
        why: isText
          ? 'The model would have to spell the end of its answer out, letter by letter, and servers do not see it.'
          : 'The model never sees an answer end, so it never learns to stop.',
        cure: isText
          ? `Use setupChatFormat with replaceTemplate: true, which adds the tokens, or add ${stops.join(' ')} to the tokenizer.`
          : 'Write {{ eos_token }} behind the content of assistant messages, inside their branch.',
      },
    ]
  },
}

/** How the template writes a small conversation. */
function sample({ tokenizer }: TokenizerFacts): Evidence[] {
  try {
    const text = tokenizer.applyChatTemplate([
      { role: 'user', content: 'Question?' },
      { role: 'assistant', content: 'Answer.' },
    ])
    const start = text.indexOf('Answer.')
    return start < 0 ? [] : [{ excerpt: excerptOf(text, start, text.length), says: 'how an answer ends' }]
  } catch {
    return []
  }
}
