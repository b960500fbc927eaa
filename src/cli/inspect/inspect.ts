import { createDataReport, inspect as inspectData, statusNames } from '../../data/index.ts'
import { loadTokenizer } from '../../pipeline/index.ts'
import {
  applyRunTemplate,
  maskPolicyOf,
  mixOf,
  preferenceKindOf,
  type RunOptions,
} from '../../train/index.ts'
import { FettleError } from '../../error.ts'
import { defineCommand } from '../command.ts'
import { wholeNumber } from '../flags/flags.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { pathsOf } from '../flags/model-flags.ts'
import { showNotices } from '../terminal/notices.ts'
import { readRun, runFiles, runFlags } from '../flags/run-flags.ts'
import { terminalOf } from '../terminal/terminal.ts'
import { showReport } from './examples-view.ts'
import { inspectPrompts } from './prompts.ts'
import { startReading } from './reading.ts'
import { createShowing } from './showing.ts'
import { createStatistics, statisticsJson } from './statistics.ts'
import { showStatistics } from './statistics-view.ts'

/** Shows what a model would learn of each conversation. */
export const inspect = defineCommand({
  flags: {
    files: runFiles,
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
      'stoppingStrategy',
      'shuffleBuffer',
      'deduplicate',
      'valSize',
      'seed',
      'maxLength',
      'truncationMode',
      'packing',
      'packingStrategy',
    ]),
    limit: { type: 'number', description: 'Conversations to show; default 3, with --json all. 0 shows all' },
    status: { type: 'string', options: statusNames, description: 'Only conversations with such a span' },
    serve: {
      type: 'boolean',
      description: 'Compares, turn by turn, the tokens seen in training with those a server would build',
    },
    stats: {
      type: 'boolean',
      description:
        'Statistics of all rows: columns, lengths, what is learned and lost. Without it of the first 10,000; --no-stats shows none',
    },
    json: {
      type: 'boolean',
      description:
        'Prints {"origin","text","input_ids","mask","spans"}, a line a conversation; with --stats a last line {"type":"stats",…}',
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
    "inspect 'data/*.parquet' --model ~/models/Qwen3-0.6B --stats --limit 1",
  ],
  async run(flags, { positionals, repeated }) {
    const { json = false, serve = false, status, stats = json || serve ? false : undefined } = flags
    const { limit = json ? 0 : 3 } = flags
    wholeNumber('--limit', limit, 0)
    const options = await readRun(flags, positionals, repeated)
    const { model, adapter, chatTemplateKwargs: variables, perTurn, skipInvalid } = options
    const isGrpo = options.method === 'grpo'
    if (isGrpo) refuseAnswers({ serve, status, perTurn })
    const tokenizer = await loadTokenizer(await pathsOf({ model, adapter: adapter ?? undefined }))
    showNotices(tokenizer.notices)
    await applyRunTemplate(tokenizer, options.chatTemplate)
    const terminal = terminalOf(process.stdout)
    const people = json ? terminalOf(process.stderr) : terminal
    const report = createDataReport()
    const showing = createShowing(tokenizer, { json, serve, variables, terminal })
    const statistics = stats === false ? undefined : createStatistics(options, report)
    const progress = statistics && startReading(stats === true, terminalOf(process.stderr))
    const reading = { ...mixOf(options), skipInvalid, report, onRow: statistics?.seeRow }
    const examples = isGrpo
      ? inspectPrompts(options.data, tokenizer, options, reading)
      : inspectData(options.data, tokenizer, {
          ...reading,
          policy: maskPolicyOf(options),
          perTurn,
          variables,
          preferences: preferenceKindOf(options.method),
        })
    let seen = 0
    let shown = 0
    let isPartial = false
    let isRead = false
    try {
      for await (const example of examples) {
        isPartial = progress?.isOver(seen) === true
        if (isPartial) break
        seen += 1
        statistics?.seeExample(example)
        const hasStatus = status === undefined || example.spans.some((span) => span.status === status)
        if (hasStatus && (limit === 0 || shown < limit)) {
          await showing.example(example)
          shown += 1
        }
        if (statistics === undefined && shown === limit && limit > 0) break
      }
      isRead = true
    } finally {
      progress?.end()
      for (const line of showReport(report)) people.write(`${line}\n`)
      if (statistics !== undefined && seen > 0) {
        const found = statistics.finish(isPartial || !isRead)
        if (json) writeJsonLine(statisticsJson(found))
        else for (const line of showStatistics(found, terminal)) terminal.write(`${line}\n`)
      }
    }
    if (!json && shown === 0)
      terminal.write(`No conversation${status === undefined ? '' : ` with a span that is ${status}`}.\n`)
    if (!json) showing.end()
    return progress?.code
  },
})

/** @throws FettleError for flags that ask about answers, which prompts have not yet */
function refuseAnswers({
  serve,
  status,
  perTurn,
}: { serve: boolean; status: string | undefined } & Pick<RunOptions, 'perTurn'>): void {
  const asked = [
    ...(serve ? ['--serve'] : []),
    ...(status === undefined ? [] : ['--status']),
    ...(perTurn ? ['--per-turn'] : []),
  ]
  if (asked.length === 0) return
  throw new FettleError(
    asked.map((place) => ({
      place,
      found: 'method grpo, whose rows are prompts without answers',
      expected: 'another method',
      cure: 'Leave it out to see the prompts.',
    })),
  )
}
