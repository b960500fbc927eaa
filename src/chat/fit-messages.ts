import { FettleError } from '../error.ts'
import { describeValue, isJsonObject, JsonFloat, parseJson } from '../formats/json/index.ts'
import { jsonTextOf } from '../jinja/index.ts'
import type { ContentPart, Message, Rendered } from './messages.ts'
import type { ChatTemplate, RenderOptions } from './template.ts'

/** Messages in the form that a template takes, and in words what is worth knowing of that. */
export interface FittedMessages {
  messages: readonly Message[]
  remarks: readonly string[]
}

/**
 * Joins text parts where a template cannot take lists of parts, and turns the arguments of calls into the form that it
 * writes as JSON: an object that it would print as Python does, or a text that it would quote once more, is nothing that
 * a server shows a model.
 *
 * @throws FettleError where the arguments of a call should be an object and are a text that is no JSON
 */
export function fitMessages(template: ChatTemplate, given: RenderOptions): FittedMessages {
  const remarks = new Set<string>()
  if (given.tools && given.tools.length > 0 && !showsTools(template, given))
    remarks.add('tools are given, and the chat template does not show them')
  const messages = given.messages.map((message, index): Message => {
    const { role, content, tool_calls: calls } = message
    let fit = message
    if (Array.isArray(content) && !takesParts(template, role, given)) {
      remarks.add('the parts of a content are joined, because the chat template takes texts')
      fit = { ...fit, content: content.map(({ text = '' }) => text).join('') }
    }
    if (!Array.isArray(calls) || calls.length === 0) return fit
    const form = argumentsForm(template, given)
    const fitted = calls.map((call, i) => {
      const place = `messages[${index}].tool_calls[${i}]`
      checkCall(call, place)
      return fitCall(call, form, place)
    })
    return fitted.every((call, i) => call === calls[i]) ? fit : { ...fit, tool_calls: fitted }
  })
  return { messages, remarks: [...remarks] }
}

/** How a template takes the arguments of a call. */
type ArgumentsForm = 'object' | 'text' | 'either'

/** @throws FettleError for what is no call, or one that nobody could answer: a template would write it all the same */
function checkCall(call: unknown, place: string): void {
  if (!isJsonObject(call))
    throw new FettleError({ place, found: describeValue(call), expected: 'a call with name and arguments' })
  const inner = call['function'] ?? call
  if (!isJsonObject(inner))
    throw new FettleError({
      place,
      found: `function is ${describeValue(inner)}`,
      expected: 'an object with name and arguments',
    })
  const { name, arguments: given } = inner
  if (inner !== call && typeof name !== 'string')
    throw new FettleError({
      place,
      found: 'a function without name',
      expected: 'the name of the function that is called',
    })
  const isScalar = ['number', 'bigint', 'boolean'].includes(typeof given) || given instanceof JsonFloat
  if (isScalar || Array.isArray(given))
    throw new FettleError({
      place,
      found: `arguments are ${describeValue(given)}`,
      expected: 'an object, or its JSON text',
    })
}

function fitCall(call: unknown, form: ArgumentsForm, place: string): unknown {
  if (form === 'either' || !isJsonObject(call)) return call
  const inner = call['function']
  if (isJsonObject(inner)) {
    const fitted = fitCall(inner, form, place)
    return fitted === inner ? call : { ...call, function: fitted }
  }
  const { arguments: given } = call
  if (form === 'text') return isJsonObject(given) ? { ...call, arguments: jsonTextOf(given) } : call
  if (typeof given !== 'string' || given.trim() === '') return call
  const read = parseJson(given, `${place}: arguments`)
  if (isJsonObject(read)) return { ...call, arguments: read }
  throw new FettleError({
    place,
    found: 'arguments that are JSON, but no object',
    expected: 'an object, or its JSON text',
  })
}

const question: Message = { role: 'user', content: 'Question' }
const answer: Message = { role: 'assistant', content: 'Answer' }
const tool = { type: 'function', function: { name: 'probe', description: '', parameters: {} } }

function callWith(args: unknown): Message {
  const call = { type: 'function', id: 'call00001', function: { name: 'probe', arguments: args } }
  return { role: 'assistant', content: '', tool_calls: [call] }
}

function toolAnswer(content: Message['content']): Message {
  return { role: 'tool', name: 'probe', tool_call_id: 'call00001', content }
}

/** What was found out of templates, by rendering small conversations. */
const partsTaken = new WeakMap<ChatTemplate, Map<string, boolean>>()
const formsTaken = new WeakMap<ChatTemplate, ArgumentsForm>()
const toolsShown = new WeakMap<ChatTemplate, boolean>()

/** Whether a template writes the tools that it is given; true where it shows no such conversation at all. */
function showsTools(template: ChatTemplate, given: RenderOptions): boolean {
  const known = toolsShown.get(template)
  if (known !== undefined) return known
  const rendered = attempt(template, { ...given, tools: [tool] }, [question])
  const shows = rendered === undefined || rendered.text.includes('probe')
  toolsShown.set(template, shows)
  return shows
}

/** Whether a template writes the texts of parts for a role; true where it shows no such message at all. */
function takesParts(template: ChatTemplate, role: string, given: RenderOptions): boolean {
  const known = partsTaken.get(template) ?? new Map<string, boolean>()
  partsTaken.set(template, known)
  const before = known.get(role)
  if (before !== undefined) return before
  const render = (content: ContentPart[] | string): Rendered | undefined =>
    attempt(template, given, aroundOf(role, content))
  const writes = (rendered: Rendered | undefined): boolean =>
    rendered?.text.includes('ProbeOne') === true && rendered.text.includes('ProbeTwo')
  const parts = render([
    { type: 'text', text: 'ProbeOne' },
    { type: 'text', text: 'ProbeTwo' },
  ])
  const printsFrame = parts?.segments.some(({ field = '' }) => /^content\.\d+\.type$/.test(field)) === true
  const takes = (writes(parts) && !printsFrame) || !writes(render('ProbeOneProbeTwo'))
  known.set(role, takes)
  return takes
}

/** A short conversation with such a message. */
function aroundOf(role: string, content: Message['content']): Message[] {
  const message = { role, content }
  if (role === 'user') return [message]
  if (role === 'assistant') return [question, message]
  if (role === 'tool') return [question, callWith({}), toolAnswer(content), answer]
  return [message, question]
}

function argumentsForm(template: ChatTemplate, given: RenderOptions): ArgumentsForm {
  const known = formsTaken.get(template)
  if (known !== undefined) return known
  const writes = (args: unknown): boolean => {
    const rendered =
      attempt(template, given, [question, callWith(args)]) ??
      attempt(template, given, [question, callWith(args), toolAnswer('1'), answer])
    const text = rendered?.text ?? ''
    const isShown = text.includes('probe_key') && text.includes('probe value')
    // Python's quotes, or JSON within JSON.
    return isShown && !text.includes("'probe_key'") && !text.includes('\\"probe_key\\"')
  }
  const object = writes({ probe_key: 'probe value' })
  const asText = writes('{"probe_key": "probe value"}')
  const form = object === asText ? 'either' : object ? 'object' : 'text'
  formsTaken.set(template, form)
  return form
}

function attempt(template: ChatTemplate, given: RenderOptions, messages: Message[]): Rendered | undefined {
  try {
    return template.render({ ...given, tools: given.tools ?? [tool], addGenerationPrompt: false, messages })
  } catch (error) {
    if (error instanceof FettleError) return undefined
    throw error
  }
}
