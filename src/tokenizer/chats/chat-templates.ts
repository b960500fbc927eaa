import { parseChatTemplate, type ChatTemplate, type Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { templateMessage } from './chat-messages.ts'
import { leaveOpen } from './continue-message.ts'
import type { NamedToken } from '../named-tokens.ts'

/** How a conversation becomes a text. */
export interface ChatTemplateOptions {
  /** Functions that the model may call, as JSON schemas. */
  tools?: readonly unknown[] | undefined
  /** Texts to answer from, each with `title` and `text`, for templates of that kind. */
  documents?: readonly Record<string, unknown>[] | undefined
  /** End with the beginning of an assistant turn (default false). */
  addGenerationPrompt?: boolean | undefined
  /**
   * End inside the last message, so that the model goes on with it; the name of a field continues that one instead of
   * the content (default false).
   */
  continueFinalMessage?: boolean | string | undefined
  /** What else the template reads, such as `enable_thinking`. */
  variables?: Record<string, unknown> | undefined
  /** The name of one of several templates. */
  template?: string | undefined
}

/** The chat templates of a tokenizer, compiled when first needed. */
export interface ChatTemplates {
  /** By name; the usual one is called `default`. */
  readonly sources: Map<string, string>
  /** The compiled template for these options. */
  select(options: Pick<ChatTemplateOptions, 'tools' | 'template'>): ChatTemplate
}

/** Compiles each source once, also after it was replaced. */
export function makeChatTemplates(place: string, sources: Map<string, string>): ChatTemplates {
  const compiled = new Map<string, ChatTemplate>()
  return {
    sources,
    select({ tools, template }) {
      const name = template ?? (tools !== undefined && sources.has('tool_use') ? 'tool_use' : 'default')
      const source = sources.get(name)
      if (source === undefined) throw missing(place, name, [...sources.keys()])
      const known = compiled.get(source) ?? parseChatTemplateOf(place, source)
      compiled.set(source, known)
      return known
    },
  }
}

/** A template whose errors say which file or folder it is of. */
export function parseChatTemplateOf(place: string, source: string): ChatTemplate {
  try {
    return parseChatTemplate(source)
  } catch (error) {
    if (!(error instanceof FettleError)) throw error
    const problems = error.problems.map((problem) => ({ ...problem, place: `${place}: ${problem.place}` }))
    throw new FettleError(problems, { cause: error })
  }
}

function missing(place: string, name: string, names: readonly string[]): FettleError {
  return new FettleError(
    names.length === 0
      ? {
          place,
          found: 'no chat template',
          expected: 'one, because conversations are to be rendered',
          cure: "Give the run one (chat_template: chatml, or a .jinja file); in TypeScript setupChatFormat(model, tokenizer, 'chatml').",
        }
      : {
          place,
          found: `no chat template '${name}'`,
          expected: names.join(', '),
          cure: 'Name one with `template`.',
        },
  )
}

/** What a template is given, under the names that transformers uses: the named tokens are variables too. */
export function renderOptions(
  messages: readonly Message[],
  { tools, documents, addGenerationPrompt, variables }: Omit<ChatTemplateOptions, 'continueFinalMessage'>,
  named: ReadonlyMap<NamedToken, string>,
) {
  const options: Record<string, unknown> = {}
  for (const [name, token] of named) options[name] = token
  if (documents !== undefined) options['documents'] = documents
  return Object.assign(options, variables, {
    messages: messages.map(templateMessage),
    tools,
    addGenerationPrompt,
  })
}

/**
 * The prompts of one conversation, as they are served: for each number of messages the text that asks for the next one.
 *
 * @returns  of the first `count` messages; throws a FettleError where the template refuses them
 */
export function renderPrompts(
  templates: ChatTemplates,
  messages: readonly Message[],
  options: Pick<ChatTemplateOptions, 'tools' | 'variables' | 'template'>,
  named: ReadonlyMap<NamedToken, string>,
): (count: number) => string {
  const beginning = templates.select(options).prepare(renderOptions(messages, options, named))
  return (count) => beginning(count, true).text
}

/**
 * The text of a conversation, as transformers' `apply_chat_template` gives it.
 *
 * @throws FettleError where the template refuses it, or the last message cannot be continued
 */
export function renderChat(
  templates: ChatTemplates,
  messages: readonly Message[],
  options: ChatTemplateOptions,
  named: ReadonlyMap<NamedToken, string>,
): string {
  const template = templates.select(options)
  const given = renderOptions(messages, options, named)
  const { continueFinalMessage: field = false, addGenerationPrompt } = options
  if (field === false) return template.render(given).text
  if (addGenerationPrompt)
    throw new FettleError({
      place: 'continueFinalMessage',
      found: 'together with addGenerationPrompt',
      expected: 'one of them: to go on with the last message, or to begin a new one',
    })
  const open = leaveOpen(given.messages, field === true ? 'content' : field, template.source)
  return open.cut(template.render({ ...given, messages: open.messages }).text)
}
