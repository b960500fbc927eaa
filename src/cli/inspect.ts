import { applyRunTemplate, maskPolicyOf, preferenceKindOf } from '../train/index.ts'
import type { SpanStatus } from '../chat/index.ts'
import { defineCommand } from './command.ts'
import { wholeNumber } from './flags.ts'
import { showExample, showReport, showTurn } from './inspect-view.ts'
import { createDataReport, inspect as inspectData, type InspectedExample } from '../data/index.ts'
import { writeJsonLine } from './json-lines.ts'
import { pathsOf } from './model-flags.ts'
import { showNotices } from './notices.ts'
import { readRun, runFlags } from './run-flags.ts'
import { loadTokenizer } from '../pipeline/index.ts'
import type { TurnParity } from './serve-parity.ts'
import { turnComparer } from './serve-parity.ts'
import { terminalOf } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import type { Tokenizer } from '../tokenizer/index.ts'

const statusNames = [
  'marked',
  'proved',
  'aligned',
  'inferred',
  'dropped',
  'no-stop',
] as const satisfies SpanStatus[]

/** Shows what a model would learn of each conversation. */
export const inspect = defineCommand({
  flags: {
    files: {
      type: 'positional',
      repeats: true,
      description: 'A run file (.yaml), or data files (.jsonl, .json)',
    },
    ...runFlags([
      'model',
      'data',
      'adapter',
      'method',
      'trainOnInput',
      'learn',
      'learnThinking',
      'learnToolCalls',
      'learnHeader',
      'learnTrailingNewline',
      'perTurn',
      'chatTemplate',
      'chatTemplateKwargs',
      'skipInvalid',
    ]),
    limit: { type: 'number', description: 'Conversations to show; default 3, with --json all. 0 shows all' },
    status: { type: 'string', options: statusNames, description: 'Only conversations with such a span' },
    serve: {
      type: 'boolean',
      description: 'Compares, turn by turn, the tokens seen in training with those a server would build',
    },
    json: {
      type: 'boolean',
      description: 'Prints {"origin","text","input_ids","mask","spans"}, a line a conversation',
    },
  },
  details: [
    'Learned tokens are green (in ⟦brackets⟧ without colours), stop tokens magenta. Each answer has a status:',
    'marked and proved are certain, aligned is certain up to the header; inferred, dropped and no-stop stop a training run.',
  ].join('\n'),
  examples: [
    'inspect train.jsonl --model ~/models/SmolLM2-135M-Instruct',
    'inspect run.yaml --status inferred',
    'inspect run.yaml --serve --limit 0',
    'inspect run.yaml --json | jq .spans',
  ],
  async run(flags, { positionals, repeated }) {
    const { limit = flags.json === true ? 0 : 3, status } = flags
    wholeNumber('--limit', limit, 0)
    const options = await readRun(flags, positionals, repeated)
    const { model, adapter } = options
    const tokenizer = await loadTokenizer(await pathsOf({ model, adapter: adapter ?? undefined }))
    showNotices(tokenizer.notices)
    await applyRunTemplate(tokenizer, options.chatTemplate)
    const terminal = terminalOf(process.stdout)
    const variables = options.chatTemplateKwargs
    const report = createDataReport()
    const examples = inspectData(options.data, tokenizer, {
      policy: maskPolicyOf(options),
      perTurn: options.perTurn,
      variables,
      skipInvalid: options.skipInvalid,
      preferences: preferenceKindOf(options.method),
      report,
    })
    const compareTurns = turnComparer(tokenizer, variables)
    let shown = 0
    let parted = 0
    for await (const example of examples) {
      if (status !== undefined && !example.spans.some((span) => span.status === status)) continue
      if (flags.json !== true) terminal.write(`${showExample(example, tokenizer, terminal)}\n`)
      if (flags.serve === true) {
        const turns = compareTurns(example)
        parted += await (flags.json === true
          ? writeParityJson(example, turns)
          : writeParity(turns, tokenizer, terminal))
      } else if (flags.json === true) writeJsonLine(exampleJson(example))
      shown += 1
      if (shown === limit) break
    }
    const people = flags.json === true ? terminalOf(process.stderr) : terminal
    for (const line of showReport(report)) people.write(`${line}\n`)
    if (flags.json === true) return
    if (shown === 0)
      terminal.write(`No conversation${status === undefined ? '' : ` with a span that is ${status}`}.\n`)
    if (parted > 0)
      terminal.write(
        `${parted} ${parted === 1 ? 'answer is' : 'answers are'} served after other tokens than trained on; --per-turn trains each as it is served.\n`,
      )
  },
})

function exampleJson({ origin, text, inputIds, mask, spans, dropped }: InspectedExample) {
  return {
    origin,
    text,
    input_ids: [...inputIds],
    mask: [...mask],
    spans,
    ...(dropped !== undefined && { dropped }),
  }
}

/** Shows turn after turn; returns how many part. */
async function writeParity(
  turns: AsyncIterable<TurnParity>,
  tokenizer: Tokenizer,
  terminal: Terminal,
): Promise<number> {
  let parted = 0
  for await (const turn of turns) {
    if (turn.kind === 'parted') parted += 1
    terminal.write(`${showTurn(turn, tokenizer, terminal)}\n`)
  }
  terminal.write('\n')
  return parted
}

/** One line of JSON, written turn by turn: those of a long conversation are longer together than a text can be. */
async function writeParityJson(
  { origin }: InspectedExample,
  turns: AsyncIterable<TurnParity>,
): Promise<number> {
  const { write } = terminalOf(process.stdout)
  let parted = 0
  let separator = `{"origin":${JSON.stringify(origin)},"turns":[`
  for await (const turn of turns) {
    if (turn.kind === 'parted') parted += 1
    write(separator + JSON.stringify(turnJson(turn)))
    separator = ','
  }
  write(`${separator === ',' ? '' : separator}]}\n`)
  return parted
}

function turnJson(turn: TurnParity) {
  const { message } = turn
  switch (turn.kind) {
    case 'same':
      return { message, same: true, parts_at: null, tokens: turn.tokens }
    case 'refused':
      return { message, same: false, refused: turn.reason, parts_at: null }
    case 'parted': {
      const { partsAt, trainingIds, servingIds } = turn
      return {
        message,
        same: false,
        parts_at: partsAt,
        training_ids: [...trainingIds],
        serving_ids: [...servingIds],
      }
    }
  }
}
