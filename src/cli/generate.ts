import type { Message } from '../chat/index.ts'
import { FettleError } from '../error.ts'
import { cutAtStopString } from '../generate/index.ts'
import type { GenerateOptions, Sequence } from '../generate/index.ts'
import { encodePrompt } from '../pipeline/index.ts'
import type { LoadedModel, Prompt } from '../pipeline/index.ts'
import { endWhenOutputCloses } from './terminal/closed-output.ts'
import { assistantFlags, loadAssistant } from './flags/assistant-flags.ts'
import { defineCommand } from './command.ts'
import { wholeNumber } from './flags/flags.ts'
import { writeJsonLine } from './terminal/json-lines.ts'
import { loadModelOf, modelFlags } from './flags/model-flags.ts'
import { readPrompts } from './terminal/prompts.ts'
import { samplingFlags, samplingOptions } from './flags/sampling-flags.ts'
import { terminalOf } from './terminal/terminal.ts'

/** Answers one prompt or a file of them. */
export const generate = defineCommand({
  flags: {
    prompt: {
      type: 'positional',
      description:
        'What is asked: a user message where the model has a chat template, else text to continue; without it stdin is read',
    },
    ...modelFlags,
    raw: { type: 'boolean', description: 'The prompt is text to continue, whatever template there is' },
    system: { type: 'string', description: 'System message before the user message' },
    input: {
      type: 'string',
      hint: 'path',
      description: 'File of prompts: JSON lines with "messages" or "prompt", or plain text; - is stdin',
    },
    batchSize: {
      type: 'number',
      description: 'Prompts of a file that are answered together; default 16, with guesses 1',
    },
    ...samplingFlags,
    ...assistantFlags,
    json: { type: 'boolean', description: 'Prints {"text","token_ids","finish_reason"}, a line a prompt' },
  },
  examples: [
    'generate --model assets/tiny-llama --adapter runs/demo "What do lighthouse keepers do?"',
    'generate --model ~/models/SmolLM2-135M-Instruct --input questions.jsonl --json > answers.jsonl',
    'generate --model ~/models/SmolLM2-135M --raw --temperature 0.8 --seed 1 "Once upon a time"',
  ],
  async run(flags, { repeated }) {
    if (flags.prompt !== undefined && flags.input !== undefined)
      throw new FettleError({ place: '--input', found: 'a prompt as well', expected: 'one of the two' })
    // Guesses are checked one prompt at a time.
    const batchSize =
      flags.batchSize ?? (flags.promptLookupNumTokens || flags.assistantModel !== undefined ? 1 : 16)
    wholeNumber('--batch-size', batchSize, 1)
    endWhenOutputCloses()
    const loaded = await loadModelOf(flags)
    const { model, tokenizer, stopTokenIds } = loaded
    const out = terminalOf(process.stdout)
    const assistant = await loadAssistant(flags, loaded)
    const asPrompt = (text: string): Prompt => {
      if (flags.raw === true || tokenizer.chatTemplate === undefined) return { text }
      const system: Message[] = flags.system === undefined ? [] : [{ role: 'system', content: flags.system }]
      return { messages: [...system, { role: 'user', content: text }] }
    }
    const prompts =
      flags.prompt === undefined ? await readPrompts(flags.input ?? '-', asPrompt) : [asPrompt(flags.prompt)]
    const sampling = samplingOptions(flags, repeated('stop'), loaded)
    const options = { stopTokenIds, maxLength: model.maxPositions, ...assistant, ...sampling }
    for (let start = 0; start < prompts.length; start += batchSize) {
      const batch = prompts.slice(start, start + batchSize)
      const inputs = await Promise.all(batch.map((prompt) => encodePrompt(tokenizer, prompt)))
      if (prompts.length === 1 && flags.json !== true) {
        for await (const { text } of model.stream({ inputIds: inputs }, { ...options, tokenizer }))
          out.writeAnswer(text)
        out.writeAnswer('\n')
        return
      }
      const { sequences, finishReasons } = await model.generate(
        { inputIds: inputs },
        { ...options, firstRow: start, returnDictInGenerate: true },
      )
      for (const [i, tokenIds] of sequences.entries()) {
        const answer = { tokenIds, finishReason: finishReasons[i] }
        if (flags.json === true) writeJsonLine(asJson(loaded, answer, options))
        else out.writeAnswer(`${textOf(loaded, answer, options)}\n\n`)
      }
    }
  },
})

/** An answer's text without its stop token and other special tokens, up to a stop string. */
export function textOf(
  { tokenizer }: Pick<LoadedModel, 'tokenizer'>,
  { tokenIds, finishReason }: Sequence,
  { stopStrings }: Pick<GenerateOptions, 'stopStrings'>,
): string {
  const text = tokenizer.decode(tokenIds, { skipSpecialTokens: true })
  return finishReason === 'stop' ? cutAtStopString(text, stopStrings) : text
}

/** An answer as `--json` prints it. */
export function asJson(
  loaded: Pick<LoadedModel, 'tokenizer'>,
  answer: Sequence,
  options: Pick<GenerateOptions, 'stopStrings'>,
) {
  const { tokenIds, finishReason } = answer
  return { text: textOf(loaded, answer, options), token_ids: tokenIds, finish_reason: finishReason }
}
