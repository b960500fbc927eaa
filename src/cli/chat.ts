import { createInterface } from 'node:readline'
import { closestName } from '../closest-name.ts'
import { FettleError } from '../error.ts'
import type { FinishReason, GenerateOptions } from '../generate/index.ts'
import type { LoadedModel } from '../pipeline/index.ts'
import { assistantFlags, loadAssistant } from './assistant-flags.ts'
import type { ChatSession } from './chat-session.ts'
import { createChatSession } from './chat-session.ts'
import { endWhenOutputCloses } from './closed-output.ts'
import { defineCommand } from './command.ts'
import { asJson } from './generate.ts'
import { writeJsonLine } from './json-lines.ts'
import { loadModelOf, modelFlags } from './model-flags.ts'
import { toTerminal } from './paint.ts'
import { samplingFlags, samplingOptions } from './sampling-flags.ts'
import { terminalOf } from './terminal.ts'

/** Answers line after line, remembering what was said. */
export const chat = defineCommand({
  flags: {
    ...modelFlags,
    system: { type: 'string', description: 'System message that the conversation begins with' },
    context: {
      type: 'number',
      description: 'Tokens that are remembered; default: what the model can, at most 4096',
    },
    ...samplingFlags,
    ...assistantFlags,
    json: { type: 'boolean', description: 'Prints {"text","token_ids","finish_reason"}, a line an answer' },
  },
  details: [
    '/reset forgets the conversation, /exit leaves; a space in front of a slash makes the line a message.',
    'Ctrl-C stops an answer; when none is under way it leaves.',
    'In a pipe each line is a message, and each answer is printed as it comes.',
  ].join('\n'),
  examples: [
    'chat --model assets/tiny-llama --adapter runs/demo',
    'chat --model ~/models/SmolLM2-135M-Instruct --system "Answer in one sentence." --temperature 0.7',
  ],
  async run(flags, { repeated }) {
    endWhenOutputCloses()
    const loaded = await loadModelOf(flags)
    if (loaded.tokenizer.chatTemplate === undefined)
      throw new FettleError({
        place: loaded.tokenizer.place,
        found: 'no chat template',
        expected: 'a model that was trained to chat',
        cure: 'fettle generate --raw continues text without one.',
      })
    const context = flags.context ?? Math.min(loaded.model.maxPositions, 4096)
    if (!Number.isInteger(context) || context < 2 || context > loaded.model.maxPositions)
      throw new FettleError({
        place: '--context',
        found: String(context),
        expected: `a whole number from 2 to ${loaded.model.maxPositions}, what the model can`,
      })
    const assistant = await loadAssistant(flags, loaded)
    const session = createChatSession(loaded, context, { system: flags.system, assistant })
    const options = samplingOptions(flags, repeated('stop'), loaded)
    try {
      await converse(loaded, session, options, flags.json === true)
    } finally {
      session.free()
    }
  },
})

/** Reads lines from stdin until they end, or until the user leaves. */
async function converse(
  loaded: LoadedModel,
  session: ChatSession,
  options: GenerateOptions,
  json: boolean,
): Promise<void> {
  const out = terminalOf(process.stdout)
  const people = terminalOf(process.stderr)
  const atTerminal = process.stdin.isTTY === true && !json
  const lines = createInterface({
    input: process.stdin,
    ...(atTerminal && { output: process.stderr, prompt: toTerminal(people.paint.cyan('› ')) }),
    terminal: atTerminal,
  })
  let answering: AbortController | undefined
  const interrupt = (): void => {
    if (answering !== undefined) answering.abort()
    else {
      if (atTerminal) people.write('\n')
      lines.close()
    }
  }
  // At a terminal readline takes Ctrl-C; in a pipe it comes as a signal.
  lines.on('SIGINT', interrupt)
  process.on('SIGINT', interrupt)
  if (atTerminal) people.write(people.paint.dim('/reset forgets, /exit leaves, Ctrl-C stops an answer\n'))
  let forgotten = 0
  try {
    lines.prompt()
    for await (const line of lines) {
      const said = line.trim()
      const command = /^\/\w*\s*$/.test(line) ? said : undefined
      if (command === '/exit' || command === '/quit') break
      if (command === '/reset') {
        session.reset()
        people.write(people.paint.dim('The conversation starts anew.\n'))
      } else if (command !== undefined) refuse(unknownCommand(command))
      else if (said !== '') {
        answering = new AbortController()
        await reply(said, answering.signal)
        answering = undefined
      }
      lines.prompt()
    }
  } finally {
    process.off('SIGINT', interrupt)
    lines.close()
  }

  async function reply(said: string, signal: AbortSignal): Promise<void> {
    const show = (text: string): void => void (json || out.writeAnswer(text))
    try {
      const tokenIds: number[] = []
      let finishReason: FinishReason = 'abort'
      for await (const piece of session.ask(said, { ...options, signal })) {
        show(piece.text)
        tokenIds.push(...piece.tokenIds)
        finishReason = piece.finishReason ?? finishReason
      }
      if (json) writeJsonLine(asJson(loaded, { tokenIds, finishReason }, options))
      show('\n')
      if (atTerminal && finishReason !== 'stop')
        people.write(people.paint.dim(`(${reasons[finishReason]})\n`))
    } catch (error) {
      refuse(error)
    }
    if (session.forgotten > forgotten)
      people.write(
        people.paint.dim(
          `(${session.forgotten - forgotten} early messages no longer fit and were forgotten)\n`,
        ),
      )
    forgotten = session.forgotten
  }

  /** At a terminal a message that cannot be answered is not the end of the conversation. */
  function refuse(error: unknown): void {
    if (!(error instanceof FettleError) || !atTerminal) throw error
    people.write(`${people.paint.red('error')} ${error.message}\n`)
  }
}

/** A line that is one word behind a slash was meant for fettle, and is no question to the model. */
function unknownCommand(command: string): FettleError {
  const commands = ['/reset', '/exit']
  const near = closestName(command, commands)
  return new FettleError({
    place: command,
    found: 'no such command',
    expected: commands.join(' or '),
    cure: `${near === undefined ? '' : `Did you mean ${near}? `}A space in front makes it a message.`,
  })
}

/** Why an answer ended, where it did not end by itself. */
const reasons = { length: 'cut off at the longest length', abort: 'stopped' } as const
