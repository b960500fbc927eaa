import { createInterface } from 'node:readline'
import { FettleError } from '../../error.ts'
import type { FinishReason } from '../../generate/index.ts'
import type { LoadedModel } from '../../pipeline/index.ts'
import { asJson } from '../generate.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { hear, keySignals } from '../terminal/interruptible.ts'
import { toTerminal } from '../terminal/paint.ts'
import { samplingOptions } from '../flags/sampling-flags.ts'
import { terminalOf } from '../terminal/terminal.ts'
import type { ChatSession } from './chat-session.ts'
import { complete, readCommand, type ChatSettings } from './chat-commands.ts'

/** Why an answer ended, where it did not end by itself. */
const reasons = { length: 'cut off at the longest length', abort: 'stopped' } as const

/** Reads lines from stdin until they end, or until the user leaves. */
export async function converse(
  loaded: LoadedModel,
  session: ChatSession,
  settings: ChatSettings,
  json: boolean,
): Promise<void> {
  const out = terminalOf(process.stdout)
  const people = terminalOf(process.stderr)
  const atTerminal = process.stdin.isTTY === true && !json
  const lines = createInterface({
    input: process.stdin,
    ...(atTerminal && {
      output: process.stderr,
      prompt: toTerminal(people.paint.cyan('› ')),
      completer: complete,
    }),
    terminal: atTerminal,
  })
  let options = samplingOptions(settings.sampling, settings.stop, loaded)
  let answering: AbortController | undefined
  const interrupt = (): void => {
    if (answering !== undefined) answering.abort()
    else {
      if (atTerminal) people.write('\n')
      lines.close()
    }
  }
  // At a terminal readline takes Ctrl-C; in a pipe, and from Ctrl-Break, it comes as a signal.
  lines.on('SIGINT', interrupt)
  const deaf = hear(keySignals, interrupt)
  if (atTerminal)
    people.write(people.paint.dim('/help lists the commands, /exit leaves, Ctrl-C stops an answer\n'))
  let forgotten = 0
  try {
    lines.prompt()
    for await (const line of lines) {
      try {
        const command = readCommand(line)
        if (command?.name === '/exit') break
        if (command) {
          const { say, changed } = await command.run({ loaded, session, settings, terminal: people })
          if (changed) options = samplingOptions(settings.sampling, settings.stop, loaded)
          people.write(`${say}\n`)
        } else if (line.trim() !== '') {
          answering = new AbortController()
          await reply(line.trim(), answering.signal)
        }
      } catch (error) {
        // At a terminal a line that cannot be answered is not the end of the conversation.
        if (!(error instanceof FettleError) || !atTerminal) throw error
        people.write(`${people.paint.red('error')} ${error.message}\n`)
      }
      answering = undefined
      tellForgotten()
      lines.prompt()
    }
  } finally {
    deaf()
    lines.close()
  }

  async function reply(said: string, signal: AbortSignal): Promise<void> {
    const show = (text: string): void => void (json || out.writeAnswer(text))
    const tokenIds: number[] = []
    let finishReason: FinishReason = 'abort'
    for await (const piece of session.ask(said, { ...options, signal })) {
      show(piece.text)
      tokenIds.push(...piece.tokenIds)
      finishReason = piece.finishReason ?? finishReason
    }
    if (json) writeJsonLine(asJson(loaded, { tokenIds, finishReason }, options))
    show('\n')
    if (atTerminal && finishReason !== 'stop') people.write(people.paint.dim(`(${reasons[finishReason]})\n`))
  }

  function tellForgotten(): void {
    const messages = session.forgotten - forgotten
    if (messages > 0)
      people.write(people.paint.dim(`(${messages} early messages no longer fit and were forgotten)\n`))
    forgotten = session.forgotten
  }
}
