import { reasoningFields, type Message } from '../../../chat/index.ts'
import type { Conversation } from '../../../data/index.ts'
import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import { plural } from '../../../plural.ts'

/** Learned answers that say nothing. */
export const emptyAnswers: Check = {
  looksFor: 'empty answers, and answers of white space',
  observe() {
    const tally = createTally()
    let answers = 0
    return {
      conversation(conversation, place) {
        for (const { isEmpty, name } of answersOf(conversation)) {
          answers += 1
          if (isEmpty) tally.add(() => ({ place, says: name }))
        }
      },
      finish: () =>
        tally.count === 0
          ? []
          : [
              {
                severity: 'warning',
                place: tally.evidence[0]?.place ?? '',
                found: `${plural(tally.count, 'answer')} of ${answers} ${tally.count === 1 ? 'is' : 'are'} empty`,
                evidence: tally.evidence,
                why: 'The model learns to stop before it has said anything.',
                cure: 'Leave these rows out, or mark the messages train: false.',
              },
            ],
    }
  },
}

function answersOf(conversation: Conversation): { isEmpty: boolean; name: string }[] {
  switch (conversation.kind) {
    case 'messages':
      return conversation.messages.flatMap((message, i) =>
        (message.train ?? message.role === 'assistant')
          ? [{ isEmpty: saysNothing(message), name: `messages[${i}]` }]
          : [],
      )
    case 'completion':
      return [{ isEmpty: conversation.completion.trim() === '', name: 'completion' }]
    case 'text':
      return [{ isEmpty: conversation.text.trim() === '', name: 'text' }]
    case 'tokens':
      return []
  }
}

function saysNothing({ content, tool_calls: calls, ...rest }: Message): boolean {
  if (calls != null && calls.length > 0) return false
  const thinking = reasoningFields.map((field) => rest[field])
  const texts = Array.isArray(content) ? content.map(({ text }) => text) : [content]
  return [...texts, ...thinking].every((text) => typeof text !== 'string' || text.trim() === '')
}
