import type { SpanStatus } from '../../../chat/index.ts'
import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import { excerptOf, type Draft } from '../../diagnosis.ts'
import { plural } from '../../../plural.ts'

const texts: Partial<Record<SpanStatus, Pick<Draft, 'why' | 'cure'> & { found: string }>> = {
  inferred: {
    found: 'whose beginning is not sure',
    why: 'A part of the header may be learned, or a part of the answer not. The run stops at the first of them.',
    cure: 'Write {% generation %}…{% endgeneration %} around answers in the template, or accept it with accept: [inferred].',
  },
  'no-stop': {
    found: 'without a stop token',
    why: 'The model does not learn to end its answer. The run stops at the first of them.',
    cure: 'Use a template that ends its turns with a token, or accept it with accept: [no-stop].',
  },
}

/** Answers whose borders in the rendered text are doubtful. */
export const spanBorders: Check = {
  looksFor: 'answers whose beginning or end the template does not show',
  observe({ tokenizer: facts }) {
    if (facts === undefined) return undefined
    const tallies = { inferred: createTally(), 'no-stop': createTally() }
    let answers = 0
    return {
      example({ place, conversation, example: { inputIds, spans } }) {
        if (conversation.kind !== 'messages') return
        for (const { start, end, status, message } of spans) {
          answers += 1
          if (status !== 'inferred' && status !== 'no-stop') continue
          tallies[status].add(() => {
            const decode = (from: number, to: number) => facts.tokenizer.decode(inputIds.subarray(from, to))
            const before = decode(Math.max(0, start - 16), start)
            const marked = decode(start, end)
            const text = before + marked + decode(end, end + 16)
            const excerpt = excerptOf(text, before.length, before.length + marked.length)
            return { place, says: `messages[${message}]`, excerpt }
          })
        }
      },
      finish: () =>
        (['inferred', 'no-stop'] as const).flatMap((status): Draft[] => {
          const { count, evidence } = tallies[status]
          const about = texts[status]
          if (count === 0 || about === undefined) return []
          const { found, why, cure } = about
          return [
            {
              severity: 'error',
              place: evidence[0]?.place ?? '',
              found: `${plural(count, 'answer')} of ${answers} ${found}`,
              evidence,
              why,
              cure,
            },
          ]
        }),
    }
  },
}
