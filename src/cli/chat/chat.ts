import { FettleError } from '../../error.ts'
import { assistantFlags, loadAssistant } from '../flags/assistant-flags.ts'
import { endWhenOutputCloses } from '../terminal/closed-output.ts'
import { defineCommand } from '../command.ts'
import { loadModelOf, modelFlags } from '../flags/model-flags.ts'
import { samplingFlags } from '../flags/sampling-flags.ts'
import { createChatSession } from './chat-session.ts'
import { chatCommands } from './chat-commands.ts'
import { converse } from './converse.ts'

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
    `A line may be a command: ${Object.keys(chatCommands).join(', ')}. A space in front of the slash makes it a message.`,
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
    try {
      await converse(loaded, session, { sampling: flags, stop: repeated('stop') }, flags.json === true)
    } finally {
      session.free()
    }
  },
})
