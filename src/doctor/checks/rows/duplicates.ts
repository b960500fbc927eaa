import { createHash } from 'node:crypto'
import type { Message } from '../../../chat/index.ts'
import type { Conversation } from '../../../data/index.ts'
import type { Check } from '../../check.ts'
import type { Split } from '../../patient.ts'
import { createTally } from '../../check.ts'
import { excerptOf, type Draft } from '../../diagnosis.ts'
import { plural } from '../../../plural.ts'

/** Rows that occur twice, and evaluation rows that are trained on. Of a row only two hashes are kept. */
export const duplicates: Check = {
  looksFor: 'rows that occur twice, and rows for evaluation that are also trained on',
  observe() {
    // Hash → line or row number.
    const seen: Record<Split, Map<number, number>> = { train: new Map(), eval: new Map() }
    const questions = new Set<number>()
    const twice = createTally()
    const leaked = createTally()
    const asked = createTally()
    const rows: Record<Split, number> = { train: 0, eval: 0 }
    return {
      conversation(conversation, place, split) {
        rows[split] += 1
        const hash = hashOf(wholeOf(conversation))
        const question = questionOf(conversation)
        const number = conversation.origin.line ?? conversation.origin.row ?? 0
        const trained = split === 'eval' ? seen.train.get(hash) : undefined
        if (trained !== undefined)
          leaked.add(() => ({
            place,
            says: `as row ${trained} of the training data`,
            ...shown(conversation),
          }))
        else if (split === 'eval' && question !== undefined && questions.has(hashOf(question)))
          asked.add(() => ({ place, ...shown(conversation) }))
        const first = seen[split].get(hash)
        if (first === undefined) seen[split].set(hash, number)
        else twice.add(() => ({ place, says: `as row ${first}`, ...shown(conversation) }))
        if (split === 'train' && question !== undefined) questions.add(hashOf(question))
      },
      finish(): Draft[] {
        const drafts: Draft[] = []
        if (leaked.count > 0)
          drafts.push({
            severity: 'error',
            place: leaked.evidence[0]?.place ?? '',
            found: `${plural(leaked.count, 'row')} of ${rows.eval} for evaluation ${leaked.count === 1 ? 'is' : 'are'} in the training data`,
            evidence: leaked.evidence,
            why: 'The evaluation measures what was learned by heart, and looks better than the model is.',
            cure: 'Take these rows out of one of the two.',
          })
        if (asked.count > 0)
          drafts.push({
            severity: 'warning',
            place: asked.evidence[0]?.place ?? '',
            found: `${plural(asked.count, 'question')} of the evaluation ${asked.count === 1 ? 'is' : 'are'} in the training data with another answer`,
            evidence: asked.evidence,
            why: 'The evaluation measures less of what is new than it seems.',
            cure: 'Split the data by question.',
          })
        if (twice.count > 0)
          drafts.push({
            severity: twice.count > 0.05 * (rows.train + rows.eval) ? 'warning' : 'note',
            place: twice.evidence[0]?.place ?? '',
            found: `${plural(twice.count, 'row')} of ${rows.train + rows.eval} ${twice.count === 1 ? 'occurs' : 'occur'} twice`,
            evidence: twice.evidence,
            why: 'Repeated rows are learned by heart first, and weigh more than they should.',
            cure: 'Keep one of each.',
          })
        return drafts
      },
    }
  },
}

/** 48 bits: among ten million rows two different ones meet with a chance of one in five, and then cost a remark. */
function hashOf(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6)
}

function wholeOf(conversation: Conversation): string {
  switch (conversation.kind) {
    case 'messages':
      return JSON.stringify([conversation.messages.map(plain), conversation.tools ?? null])
    case 'completion':
      return JSON.stringify([conversation.prompt, conversation.completion])
    case 'text':
      return conversation.text
    case 'tokens':
      return conversation.inputIds.join()
  }
}

/** What is asked, without the answer; undefined where that cannot be told. */
function questionOf(conversation: Conversation): string | undefined {
  if (conversation.kind === 'completion') return conversation.prompt
  if (conversation.kind !== 'messages') return undefined
  const last = conversation.messages.findLastIndex(({ role }) => role === 'assistant')
  return last < 1 ? undefined : JSON.stringify(conversation.messages.slice(0, last).map(plain))
}

function plain({ role, content, tool_calls: calls }: Message): unknown[] {
  const text = typeof content === 'string' ? content.trim() : content
  return [role, text ?? null, calls ?? null]
}

function shown(conversation: Conversation) {
  const text =
    conversation.kind === 'messages'
      ? conversation.messages.find(({ role }) => role === 'user')?.content
      : conversation.kind === 'completion'
        ? conversation.prompt
        : conversation.kind === 'text'
          ? conversation.text
          : undefined
  return typeof text === 'string' ? { excerpt: excerptOf(text, 0, Math.min(80, text.length)) } : {}
}
