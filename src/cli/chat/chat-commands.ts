import { closestName } from '../../closest-name.ts'
import { FettleError } from '../../error.ts'
import { readSettings } from '../../generate/index.ts'
import type { LoadedModel } from '../../pipeline/index.ts'
import type { FlagValues } from '../command.ts'
import { flagName, readArguments } from '../flags/flags.ts'
import { columns } from '../flags/help.ts'
import { count, percent } from '../terminal/numbers.ts'
import { samplingFlags, samplingOptions } from '../flags/sampling-flags.ts'
import type { Terminal } from '../terminal/terminal.ts'
import type { ChatSession } from './chat-session.ts'

/** How answers are chosen; `/set` changes it. */
export interface ChatSettings {
  sampling: FlagValues<typeof samplingFlags>
  stop: readonly string[]
}

/** What a command works on. */
interface Chat {
  loaded: LoadedModel
  session: ChatSession
  settings: ChatSettings
  terminal: Terminal
}

/** What is said of it, and whether the settings are others now. */
interface Told {
  say: string
  changed?: boolean
}

interface ChatCommand {
  /** What the help shows behind the name; a command that takes nothing has none. */
  takes?: string
  help: string
  /** What may follow the name, for the Tab key. */
  words?: readonly string[]
  run(chat: Chat, text: string): Told | Promise<Told>
}

const settable = Object.keys(samplingFlags).filter((name) => name !== 'ignoreGenerationConfig')
const settingNames = settable.map((name) => flagName(name).slice(2).replaceAll('-', '_'))

/** The commands of a conversation, by what a line begins with. */
export const chatCommands: Readonly<Record<`/${string}`, ChatCommand>> = {
  '/help': {
    help: 'Shows this.',
    run: ({ terminal }) => ({
      say: columns(
        Object.entries(chatCommands).map(([name, { takes, help }]) => [
          takes === undefined ? name : `${name} ${takes}`,
          help,
        ]),
        terminal,
      ),
    }),
  },
  '/reset': {
    help: 'Forgets the conversation.',
    run({ session }) {
      session.reset()
      return { say: 'The conversation starts anew.' }
    },
  },
  '/system': {
    takes: '[text]',
    help: 'Begins anew with this system message; "" takes it away. Alone it shows what it is.',
    run({ session }, text) {
      const [first] = session.messages
      if (text === '') return { say: first?.role === 'system' ? String(first.content) : 'There is none.' }
      session.setSystem(/^(""|'')$/.test(text) ? undefined : text)
      return { say: 'The conversation starts anew.' }
    },
  },
  '/set': {
    takes: '[name value]',
    help: 'Says how answers are chosen, as the flags of the same names do: /set temperature 0.7. Alone it shows what was said.',
    words: settingNames,
    run: set,
  },
  '/adapter': {
    takes: 'on|off',
    help: 'Answers with the adapter, or as the model without it.',
    words: ['on', 'off'],
    run: switchAdapter,
  },
  '/tokens': {
    help: 'Shows how much of the context is used, and the tokens of the last answer.',
    async run({ loaded, session, terminal }) {
      const { tokens, context, answer } = await session.usage()
      const pieces = answer.map((id) => JSON.stringify(loaded.tokenizer.decode([id])).slice(1, -1))
      return {
        say: [
          `${count(tokens)} of ${count(context)} tokens`,
          ...(pieces.length === 0
            ? []
            : [`the last answer, ${count(pieces.length)}:`, pieces.join(terminal.paint.dim('│'))]),
        ].join('\n'),
      }
    },
  },
  '/stop': {
    help: 'Shows how likely the model was to stop: where the last answer ended, and before.',
    run: tellStopping,
  },
  '/exit': { help: 'Leaves.', run: () => ({ say: '' }) },
}

/** Other names that are understood and that the help leaves out. */
const aliases: Readonly<Record<string, string>> = { '/quit': '/exit', '/?': '/help', '/clear': '/reset' }

/**
 * The command of a line, undefined for a message: a line is one when it begins with a slash and is one word, or when that word
 * is, or nearly is, a command to which words belong.
 *
 * @throws FettleError for a command that there is not, and for words behind one that takes none
 */
export function readCommand(line: string): { name: string; run(chat: Chat): Promise<Told> } | undefined {
  const [, first, rest] = /^(\/[\w?]+)(?:\s+(.*))?$/.exec(line.trimEnd()) ?? []
  if (first === undefined) return undefined
  const text = rest?.trim() ?? ''
  const name = aliases[first] ?? first
  const known = Object.entries(chatCommands).find(([each]) => each === name)?.[1]
  if (known !== undefined && (text === '' || known.takes !== undefined))
    return { name, run: async (chat) => known.run(chat, text) }
  const names = Object.entries(chatCommands).filter(([, { takes }]) => text === '' || takes !== undefined)
  const near = closestName(
    name,
    names.map(([each]) => each),
  )
  if (text !== '' && near === undefined && known === undefined) return undefined
  throw new FettleError({
    place: first,
    ...(known === undefined
      ? { found: 'no such command', expected: Object.keys(chatCommands).join(', ') }
      : { found: `'${text.slice(0, 100)}' behind it`, expected: 'nothing' }),
    cure: `${near === undefined || known ? '' : `Did you mean ${near}? `}A space in front makes it a message.`,
  })
}

/** What the Tab key may make of a line's beginning, as readline's completer says it. */
export function complete(line: string): [string[], string] {
  const [, name, word] = /^(\/\w*)\s+(\S*)$/.exec(line) ?? []
  const words =
    name === undefined
      ? Object.keys(chatCommands)
      : (Object.entries(chatCommands).find(([each]) => each === name)?.[1].words ?? [])
  const begun = word ?? line
  return [line.startsWith('/') ? words.filter((each) => each.startsWith(begun)) : [], begun]
}

/** @throws FettleError for a name that is none, and a value that it cannot have */
function set({ loaded, settings }: Chat, text: string): Told {
  if (text === '') return { say: told(settings) }
  const [, name, value = ''] = /^(\S+?)(?:\s*[\s=]\s*(.*))?$/.exec(text) ?? [undefined, text]
  if (!settingNames.includes(name.replaceAll('-', '_')) || value === '') {
    const isKnown = settingNames.includes(name.replaceAll('-', '_'))
    const near = closestName(name, settingNames)
    throw new FettleError({
      place: `/set ${name}`,
      found: isKnown ? 'no value' : 'no such setting',
      expected: isKnown ? `one, as in /set ${name} 1` : settingNames.join(', '),
      ...(!isKnown && near !== undefined && { cure: `Did you mean ${near}?` }),
    })
  }
  const sampling: Record<string, unknown> = { ...settings.sampling }
  let { stop } = settings
  for (const [key, [given]] of readArguments([`--${name}=${value}`], samplingFlags).values) {
    const { type } = samplingFlags[key as keyof typeof samplingFlags]
    if (key === 'stop') stop = [...stop, given]
    else sampling[key] = type === 'number' ? Number(given) : given === 'true'
  }
  readSettings(samplingOptions(sampling as ChatSettings['sampling'], stop, loaded))
  settings.sampling = sampling as ChatSettings['sampling']
  settings.stop = stop
  return { say: `${name} ${value}`, changed: true }
}

/** What was said of how answers are chosen, a line a setting. */
function told({ sampling, stop }: ChatSettings): string {
  const values: Record<string, unknown> = {
    ...sampling,
    stop: stop.length > 0 ? JSON.stringify(stop) : undefined,
  }
  const said = settable.flatMap((name, i) =>
    values[name] === undefined ? [] : [`${settingNames[i]} ${String(values[name])}`],
  )
  return said.length > 0
    ? said.join('\n')
    : `Nothing: the model's generation_config.json decides. There are ${settingNames.join(', ')}.`
}

/** @throws FettleError where there is no adapter, or neither `on` nor `off` is asked for */
async function switchAdapter({ loaded: { model }, session }: Chat, text: string): Promise<Told> {
  if (model.adapterConfig === null)
    throw new FettleError({
      place: '/adapter',
      found: 'a model without one',
      expected: 'an adapter',
      cure: 'Start with fettle chat --adapter.',
    })
  if (text !== 'on' && text !== 'off')
    throw new FettleError({
      place: '/adapter',
      found: text === '' ? 'nothing behind it' : `'${text}'`,
      expected: 'on or off',
    })
  await (text === 'on' ? model.enableAdapter() : model.disableAdapter())
  session.forgetCache()
  return { say: `Answers come ${text === 'on' ? 'with the adapter' : 'from the model without its adapter'}.` }
}

/** Characters of the answer that are shown before a place in it. */
const shownBefore = 40

async function tellStopping({ loaded: { tokenizer }, session, terminal }: Chat): Promise<Told> {
  const read = await session.stopProbabilities()
  if (read === undefined) return { say: 'There is no answer yet.' }
  const { answer, probabilities } = read
  const before = probabilities.slice(0, -1)
  const largest = before.reduce((best, value, i) => (value > before[best] ? i : best), 0)
  const text = tokenizer.decode(answer.slice(0, largest)).slice(-shownBefore)
  const { magenta } = terminal.paint
  return {
    say: [
      `P(stop) where the last answer ended: ${magenta(percent(probabilities[before.length]))}`,
      ...(before.length === 0
        ? []
        : [
            `before that at most ${percent(before[largest])}, ${text === '' ? 'at its beginning' : `behind ${JSON.stringify(text)}`}`,
          ]),
    ].join('\n'),
  }
}
