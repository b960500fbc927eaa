import type { Message } from '../../chat/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'

/** What a chat template writes around the contents of messages, where it writes nothing else. */
interface Frame {
  /** Before the first message, where that is no system message. */
  start: string
  before: Record<Role, string>
  after: Record<Role, string>
  /** Asks for an answer. */
  prompt: string
}

type Role = 'system' | 'user' | 'assistant'

/**
 * The template of a tokenizer in Ollama's language, where it only puts texts around the contents of messages: found by rendering some
 * conversations, and kept where it renders others as the template itself does. Undefined for one that does more, such as calling tools,
 * telling the date or leaving out what was thought.
 */
export function goTemplate(tokenizer: Tokenizer): string | undefined {
  const source = tokenizer.chatTemplate
  if (source === undefined || /\b(tools|strftime_now|enable_thinking|reasoning_content)\b/.test(source))
    return undefined
  try {
    const frame = findFrame(tokenizer)
    const isSame = probes.every(
      ({ messages, asks }) =>
        frame !== undefined && renderFrame(frame, messages, asks) === render(tokenizer, messages, asks),
    )
    return frame !== undefined && isSame ? written(frame) : undefined
  } catch {
    // A template that refuses a conversation does more than put texts around it.
    return undefined
  }
}

const message = (role: Role, content: string): Message => ({ role, content })
const [system, user, answer, second] = ['§system§', '§user§', '§answer§', '§second§']

/** Conversations that the frame was not found by. */
const probes: { messages: Message[]; asks: boolean }[] = [
  { messages: [message('user', 'Hello.')], asks: true },
  {
    messages: [message('system', 'Be brief.'), message('user', 'One\n\ntwo'), message('assistant', 'Three')],
    asks: false,
  },
  {
    messages: [
      message('user', 'a'),
      message('assistant', 'b <c> {{ d }}'),
      message('user', 'e'),
      message('assistant', 'f'),
      message('user', 'g'),
    ],
    asks: true,
  },
  {
    messages: [message('system', 'S'), message('user', 'a'), message('assistant', 'b'), message('user', 'c')],
    asks: true,
  },
]

function render(tokenizer: Tokenizer, messages: readonly Message[], asks: boolean): string {
  const text = tokenizer.applyChatTemplate(messages, { addGenerationPrompt: asks })
  // llama.cpp puts the beginning of a text there itself.
  const { bosToken } = tokenizer
  return bosToken !== undefined && text.startsWith(bosToken) && addsBeginning(tokenizer)
    ? text.slice(bosToken.length)
    : text
}

function addsBeginning(tokenizer: Tokenizer): boolean {
  const { bosToken } = tokenizer
  if (bosToken === undefined) return false
  return tokenizer.toFiles()['tokenizer.json'].includes('TemplateProcessing')
}

/** Takes the rendered text of sentinels apart. */
function findFrame(tokenizer: Tokenizer): Frame | undefined {
  const ask = (roles: [Role, string][], asks = false) =>
    render(
      tokenizer,
      roles.map(([role, content]) => message(role, content)),
      asks,
    )
  const one = ask([['user', user]])
  const asked = ask([['user', user]], true)
  const [head, afterUser] = one.split(user)
  const two = ask([
    ['user', user],
    ['assistant', answer],
  ])
  const three = ask([
    ['user', user],
    ['assistant', answer],
    ['user', second],
  ])
  const [, between] = two.split(user)
  const [beforeAnswer, afterAnswer] = (between ?? '').split(answer)
  const [, secondGap] = three.split(answer)
  const [gap] = (secondGap ?? '').split(second)
  const withSystem = ask([
    ['system', system],
    ['user', user],
  ])
  const [beforeSystem, systemGap] = (withSystem.split(user)[0] ?? '').split(system)
  if (
    afterAnswer === undefined ||
    systemGap === undefined ||
    !asked.startsWith(one) ||
    !beforeAnswer.startsWith(afterUser) ||
    !gap.startsWith(afterAnswer)
  )
    return undefined
  const beforeUser = gap.slice(afterAnswer.length)
  if (!head.endsWith(beforeUser) || !systemGap.endsWith(beforeUser)) return undefined
  return {
    start: head.slice(0, head.length - beforeUser.length),
    before: { system: beforeSystem, user: beforeUser, assistant: beforeAnswer.slice(afterUser.length) },
    after: {
      system: systemGap.slice(0, systemGap.length - beforeUser.length),
      user: afterUser,
      assistant: afterAnswer,
    },
    prompt: asked.slice(one.length),
  }
}

/** What the template in Ollama's language writes. */
function renderFrame(
  { start, before, after, prompt }: Frame,
  messages: readonly Message[],
  asks: boolean,
): string {
  const parts = messages.map(({ role, content }) => {
    const known = role as Role
    return `${before[known]}${String(content)}${after[known]}`
  })
  return `${messages[0]?.role === 'system' ? '' : start}${parts.join('')}${asks ? prompt : ''}`
}

/** A text that stands for itself. */
const literal = (text: string) => text.replaceAll('{{', '{{ "{{" }}')

function written({ start, before, after, prompt }: Frame): string {
  const turn = (role: Role, end: string) => `${literal(before[role])}{{ .Content }}${end}`
  const end = after.assistant === '' ? '' : `{{ if not $last }}${literal(after.assistant)}{{ end }}`
  // No trim marks: they would take white space of the texts away.
  return [
    start === '' ? '' : `{{ if not .System }}${literal(start)}{{ end }}`,
    '{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}',
    `{{ if eq .Role "system" }}${turn('system', literal(after.system))}`,
    `{{ else if eq .Role "user" }}${turn('user', literal(after.user))}`,
    `{{ else if eq .Role "assistant" }}${turn('assistant', end)}{{ end }}`,
    `{{ if and $last (ne .Role "assistant") }}${literal(prompt)}{{ end }}`,
    '{{ end }}',
  ].join('')
}
