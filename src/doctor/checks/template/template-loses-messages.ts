import { fitMessages, parseChatTemplate, reasoningFields, type Message } from '../../../chat/index.ts'
import type { Conversation } from '../../../data/index.ts'
import { renderOptions } from '../../../tokenizer/index.ts'
import type { Check, Tally } from '../../check.ts'
import { createTally } from '../../check.ts'
import type { Draft, Severity } from '../../diagnosis.ts'
import type { TokenizerFacts } from '../../patient.ts'
import { compareWithRendered, type Loss, type LossKind } from './message-losses.ts'
import { plural } from '../../../plural.ts'

/** Conversations of one form are treated alike by a template: a few of each form are looked at. */
const perForm = 2
const mostForms = 500

const texts: Readonly<Record<LossKind, { severity: Severity; found: string; why: string; cure: string }>> = {
  dropped: {
    severity: 'error',
    found: 'messages that the template leaves out',
    why: 'The model is trained without what these messages say, and with answers to questions that it does not see.',
    cure: 'Use a template that knows these roles and fields, or put the text into a message that it writes.',
  },
  merged: {
    severity: 'note',
    found: 'messages that the template writes as one',
    why: 'The model cannot see where one ends and the next begins; a system message that is written into the question (Gemma, Mistral) is meant so.',
    cure: 'If it is not meant, use a template with a header for each message.',
  },
  reordered: {
    severity: 'warning',
    found: 'messages that the template writes in another order',
    why: 'An answer may stand before its question.',
    cure: 'Order the messages as the template wants them.',
  },
  'thinking dropped': {
    severity: 'note',
    found: 'thinking that the template leaves out of earlier turns',
    why: 'It is not learned there, and a later answer is trained on a history without it. Servers show the same history.',
    cure: 'To learn every thinking as it is served, set per_turn: true.',
  },
  'last thinking dropped': {
    severity: 'warning',
    found: 'thinking of final answers that the template leaves out',
    why: 'The model learns to answer without the thinking that the data have.',
    cure: 'Use a template that writes reasoning_content, or put <think>…</think> into the content.',
  },
  'tool calls dropped': {
    severity: 'error',
    found: 'tool calls that the template leaves out',
    why: 'The model never learns to call the tools.',
    cure: 'Use a template that writes tool_calls.',
  },
  'tools dropped': {
    severity: 'error',
    found: 'tools that the template does not show',
    why: 'The model learns to call functions that it was not told of.',
    cure: 'Use a template that writes tools.',
  },
}

/** What a template does to the conversations of this data beyond writing them down. */
export const templateLosesMessages: Check = {
  looksFor: 'messages that the template drops, merges, reorders or rejects',
  observe({ tokenizer: facts }) {
    if (facts?.template === undefined) return undefined
    const forms = new Map<string, number>()
    const found = new Map<LossKind, Tally>()
    const rejected = createTally()
    let reason = ''
    return {
      refused({ place, stage, error }) {
        if (stage !== 'template') return
        const [problem] = error.problems
        if (reason === '') reason = problem?.found ?? error.message
        rejected.add(() => ({ place, says: problem?.found ?? error.message }))
      },
      conversation(conversation, place) {
        if (conversation.kind !== 'messages' || !isNew(forms, formOf(conversation))) return
        for (const { kind, ...evidence } of lossesOf(facts, conversation)) {
          const tally = found.get(kind) ?? createTally()
          found.set(kind, tally)
          tally.add(() => ({ place, ...evidence }))
        }
      },
      finish: () => [
        ...(rejected.count === 0 ? [] : [rejectedDraft(rejected, reason)]),
        ...[...found].map(([kind, { evidence }]): Draft => ({
          ...texts[kind],
          place: evidence[0]?.place ?? '',
          evidence,
        })),
      ],
    }
  },
}

function rejectedDraft({ count, evidence }: Tally, reason: string): Draft {
  return {
    severity: 'error',
    place: evidence[0]?.place ?? '',
    found: `${plural(count, 'conversation')} that the template rejects: ${reason}`,
    evidence,
    why: 'The run stops at the first of them.',
    cure: 'Change the conversations (roles that alternate, no system message) or use a template that takes them.',
  }
}

/** Roles and kinds of fields: what a template decides by. */
function formOf({ messages, tools }: Extract<Conversation, { kind: 'messages' }>): string {
  const form = messages.map(({ role, content, tool_calls: calls, ...rest }) => {
    const thinks = reasoningFields.some((field) => typeof rest[field] === 'string')
    const says = typeof content === 'string' ? (content.includes('</think>') ? 'think' : '') : typeof content
    return `${role}${says}${calls ? '+calls' : ''}${thinks ? '+thinks' : ''}`
  })
  const shown = form.length > 8 ? [...form.slice(0, 5), '…', ...form.slice(-3)] : form
  return `${tools ? 'tools ' : ''}${shown.join()}`
}

function isNew(forms: Map<string, number>, form: string): boolean {
  const seen = forms.get(form) ?? 0
  if (seen >= perForm || (seen === 0 && forms.size >= mostForms)) return false
  forms.set(form, seen + 1)
  return true
}

function lossesOf(
  { tokenizer, template: usual }: TokenizerFacts,
  { messages, tools, variables }: Extract<Conversation, { kind: 'messages' }>,
): Loss[] {
  const other = tools === undefined ? undefined : tokenizer.chatTemplates.get('tool_use')
  const template = other === undefined ? usual : parseChatTemplate(other)
  if (template === undefined) return []
  const render = (given: readonly Message[], withTools: boolean) => {
    const options = renderOptions(given, { variables, ...(withTools && { tools }) }, tokenizer.namedTokens)
    // As training does it: a template that takes no parts is given texts.
    return template.render({ ...options, messages: fitMessages(template, options).messages })
  }
  try {
    const rendered = render(messages, true)
    const losses = compareWithRendered(messages, rendered)
    if (tools !== undefined && tools.length > 0 && render(messages, false).text === rendered.text)
      losses.push({ kind: 'tools dropped', says: plural(tools.length, 'tool') })
    return losses
  } catch {
    // Shown as refused.
    return []
  }
}
