import { checkList, checkObject, checkText, isObject } from '../check-argument.ts'
import {
  adoptValue,
  compileTemplate,
  GrowingList,
  listOf,
  ownerOf,
  Watch,
  type OwnedText,
  type Owner,
  type Template,
  type Value,
} from '../jinja/index.ts'
import type { Message, Rendered, Segment } from './messages.ts'

/** What a chat template can be given; keys that are not named here reach it under their own names. */
export interface RenderOptions {
  messages: readonly Message[]
  tools?: readonly unknown[] | null | undefined
  documents?: readonly unknown[] | null | undefined
  /** Ends the text with the beginning of an assistant turn: `add_generation_prompt`. */
  addGenerationPrompt?: boolean | undefined
  bosToken?: string | undefined
  eosToken?: string | undefined
  /** What `strftime_now` shows (default: the moment of rendering). */
  now?: Date | undefined
  [variable: string]: unknown
}

/** A compiled chat template. */
export interface ChatTemplate {
  /** The source as it was given. */
  readonly source: string
  /** Whether it has `{% generation %}` blocks. */
  readonly hasGeneration: boolean
  /** Renders a conversation; every character of the text knows who wrote it. */
  render(options: RenderOptions): Rendered
  /** Renders several beginnings of one conversation, whose values are converted once for all of them. */
  prepare(options: RenderOptions): RenderBeginning
}

/** A beginning of a conversation. Most are only compared, so that who wrote what is found out when it is asked for. */
export interface RenderedBeginning extends Rendered {
  /** What the template itself wrote behind the last character of a message; empty where a message wrote that. */
  readonly literalTail: string
}

/** Renders the first `count` messages of a prepared conversation. */
export type RenderBeginning = (count: number, addGenerationPrompt: boolean) => RenderedBeginning

/** Compiles a chat template. Throws a FettleError with line and column where jinja2 would not compile it. */
export function parseChatTemplate(source: string): ChatTemplate {
  checkText('chat template', source)
  const template = compileTemplate(source)
  // Nobody can put something else in the place of what it does.
  return Object.freeze<ChatTemplate>({
    source,
    hasGeneration: template.hasGeneration,
    render: (options) => segment(template.render(makeLookUp(options).of(), options.now)),
    prepare: (options) => prepareBeginnings(template, options),
  })
}

/** Of longer conversations beginnings are looked for in the render of the whole: the cost of all of them grows as its square. */
const longConversation = 16

function prepareBeginnings(template: Template, options: RenderOptions): RenderBeginning {
  const lookUp = makeLookUp(options)
  const { messages, now } = options
  const known = new Map<boolean, ReadonlyMap<number, OwnedText>>()
  const find = (addGenerationPrompt: boolean): ReadonlyMap<number, OwnedText> => {
    const watch = new Watch(lookUp.messages, messages.length)
    // Answers are what is asked for.
    const isWanted = (count: number): boolean =>
      messages[count]?.role === 'assistant' ||
      (!addGenerationPrompt && messages[count - 1]?.role === 'assistant')
    const shown = { messages: new GrowingList(watch), addGenerationPrompt }
    return template.renderBeginnings(watch, lookUp.of(shown), isWanted, now)
  }
  return (count, addGenerationPrompt) => {
    if (messages.length >= longConversation && count < messages.length) {
      const all = known.get(addGenerationPrompt) ?? find(addGenerationPrompt)
      known.set(addGenerationPrompt, all)
      const found = all.get(count)
      if (found !== undefined) return new Beginning(found)
    }
    return new Beginning(template.render(lookUp.of({ count, addGenerationPrompt }), now))
  }
}

const renamed: Readonly<Record<string, string>> = {
  addGenerationPrompt: 'add_generation_prompt',
  bosToken: 'bos_token',
  eosToken: 'eos_token',
}

type LookUp = (name: string) => Value | undefined

/** What a render is shown of the conversation: its first messages, or a list that knows what was seen of it. */
interface Shown {
  messages?: Value
  count?: number
  addGenerationPrompt: boolean
}

/** The variables of one conversation. */
interface Variables {
  /** All messages. */
  messages(): readonly Value[]
  /** Looks a variable up; without `shown` all messages are, and `add_generation_prompt` is what was given. */
  of(shown?: Shown): LookUp
}

/**
 * Looks variables up; values are converted when first asked for, and once for all beginnings of the conversation: no
 * template can change them.
 */
function makeLookUp(options: RenderOptions): Variables {
  checkObject('options', options)
  const { messages, ...variables } = options
  checkList('messages', messages, isObject, 'a message: { role, content }')
  const given = new Map<string, unknown>()
  // transformers passes these always, so that they are None and false rather than undefined.
  given.set('tools', null)
  given.set('documents', null)
  given.set('add_generation_prompt', false)
  for (const name of Object.keys(variables)) {
    const value = variables[name]
    if (value !== undefined && name !== 'now')
      given.set(Object.hasOwn(renamed, name) ? (renamed[name] ?? name) : name, value)
  }
  const adopted = new Map<string, Value>()
  const lookUp: LookUp = (name) => {
    const known = adopted.get(name)
    if (known !== undefined || !given.has(name)) return known
    const value = adoptValue(given.get(name))
    adopted.set(name, value)
    return value
  }
  let all: readonly Value[] | undefined
  const adoptAll = (): readonly Value[] => (all ??= messages.map(adoptMessage))
  return {
    messages: adoptAll,
    of(given) {
      let shown: Value | undefined = given?.messages
      return (name) => {
        if (name === 'messages') return (shown ??= listOf(adoptAll().slice(0, given?.count)))
        return name === 'add_generation_prompt' && given !== undefined
          ? given.addGenerationPrompt
          : lookUp(name)
      }
    },
  }
}

/** A field of a message, or with the empty field the whole message, as the owner of its characters. */
class Field implements Owner {
  readonly message: number
  /** Path inside the message: `tool_calls.0.function.name`. */
  readonly field: string

  constructor(message: number, field: string) {
    this.message = message
    this.field = field
  }

  part(key: string | number): Field {
    return new Field(this.message, this.field === '' ? String(key) : `${this.field}.${key}`)
  }
}

/** A message as the template sees it, each character owned by its field; `train` is not shown. */
function adoptMessage(message: Message, index: number): Value {
  const owner = new Field(index, '')
  if (message.train === undefined) return adoptValue(message, owner)
  const { train: _, ...shown } = message
  return adoptValue(shown, owner)
}

/** A class, since making an object literal with getters takes longer than most of what asks for one. */
class Beginning implements RenderedBeginning {
  readonly #owned: OwnedText
  #segments: Segment[] | undefined
  readonly text: string

  constructor(owned: OwnedText) {
    this.#owned = owned
    this.text = owned.text
  }

  get generationSpans(): Rendered['generationSpans'] {
    return [...this.#owned.generationSpans]
  }

  get segments(): Segment[] {
    return (this.#segments ??= segment(this.#owned).segments)
  }

  get literalTail(): string {
    const last = this.#owned.runs.findLast(({ source }) => ownerOf(source) instanceof Field)
    return this.text.slice(last?.end ?? 0)
  }
}

/** Maps the owners of a text to messages and fields. */
function segment({ text, runs, generationSpans }: OwnedText): Rendered {
  const segments: Segment[] = []
  let start = 0
  for (const { end, source } of runs) {
    const last = segments.at(-1)
    const owner = ownerOf(source)
    const { message, field } = owner instanceof Field ? owner : noField
    if (last !== undefined && last.message === message && last.field === field) last.end = end
    else segments.push(message === undefined ? { start, end } : { start, end, message, field })
    start = end
  }
  return { text, segments, generationSpans: [...generationSpans] }
}

const noField: { message?: undefined; field?: undefined } = {}
