import { byteCount } from '../byte-count.ts'
import { pushModel, type PushResult } from '../export/push/index.ts'
import { defineCommand } from './command.ts'
import { interruptedCode, untilInterrupted } from './terminal/interruptible.ts'
import { writeJsonLine } from './terminal/json-lines.ts'
import { showNotices } from './terminal/notices.ts'
import { terminalOf } from './terminal/terminal.ts'
import { plural } from '../plural.ts'

/** Puts a model on the Hub. */
export const push = defineCommand({
  flags: {
    path: {
      type: 'positional',
      required: true,
      description: 'Folder of a run, an adapter or an export; or a .gguf file',
    },
    repo: {
      type: 'string',
      hint: 'owner/name',
      required: true,
      description: 'Repository on the Hub; a name alone is one of yours',
    },
    private: { type: 'boolean', description: 'Only you, or your organisation, may see it' },
    dryRun: { type: 'boolean', description: 'Shows what would be sent, and sends nothing' },
    baseModel: {
      type: 'string',
      hint: 'owner/name',
      description:
        'The base model on the Hub, where files name a path of this machine; none: it is not there',
    },
    license: { type: 'string', hint: 'apache-2.0', description: 'Of the model; default: its base model’s' },
    run: {
      type: 'string',
      hint: 'path',
      description: 'Folder of the run that it comes from, for the card; default: as the files say',
    },
    include: {
      type: 'string',
      hint: 'name',
      repeats: true,
      description: 'A further file of the folder, by name or pattern; may be repeated',
    },
    force: { type: 'boolean', description: 'Writes into a repository that is there already' },
    json: {
      type: 'boolean',
      description: 'Prints {"repo","private","url","commit","files":[{"path","bytes","sha256"}],"left_out"}',
    },
  },
  details:
    'The token is that of HF_TOKEN, or of `hf auth login`. What goes: weights, configuration, tokenizer, certificate without its rows, and README.md, the model card. What stays: events, reports, data and checkpoints of a run, and all that is no part of a model. HF_ENDPOINT names another server.',
  examples: [
    'push runs/first --repo ada/support-lora --base-model HuggingFaceTB/SmolLM2-135M-Instruct --dry-run',
    'push runs/merged --repo ada/support --private',
  ],
  async run(flags, { positionals: [path], repeated }) {
    const result = await untilInterrupted('nothing was committed', (signal, show) =>
      pushModel({
        path,
        repo: flags.repo,
        private: flags.private,
        dryRun: flags.dryRun,
        baseModel: flags.baseModel,
        license: flags.license,
        run: flags.run,
        include: repeated('include'),
        overwrite: flags.force,
        signal,
        onProgress: ({ path: file, state, progress }) => show(state, progress, file),
      }),
    )
    if (result === undefined) return interruptedCode
    const people = terminalOf(process.stderr)
    showNotices(result.notices)
    if (flags.json === true) writeJsonLine(summaryOf(result))
    else if (flags.dryRun === true) terminalOf(process.stdout).write(describeDryRun(result))
    else people.write(`${people.paint.green('✔')} ${describe(result)} · ${result.url}\n`)
    return 0
  },
})

/** With what is written anew as text, so that a dry run says every byte. */
function summaryOf({ repo, private: isPrivate, url, commit, files, leftOut }: PushResult) {
  return { repo, private: isPrivate, url, commit, files, left_out: leftOut }
}

function describe({ repo, private: isPrivate, files }: PushResult): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  return `${repo} · ${isPrivate ? 'private' : 'public'} · ${byteCount(bytes)} in ${plural(files.length, 'file')}`
}

function describeDryRun(result: PushResult): string {
  const { paint } = terminalOf(process.stdout)
  const { files, leftOut } = result
  const width = Math.max(...files.map(({ path }) => path.length))
  return [
    `${paint.bold('Would send')}  ${describe(result)}`,
    ...files.map(
      ({ path, bytes, sha256, change }) =>
        `  ${path.padEnd(width)}  ${String(bytes).padStart(12)} B  ${paint.dim(sha256.slice(0, 12))}${change === undefined ? '' : `  ${change}`}`,
    ),
    ...(leftOut.length === 0 ? [] : [paint.bold('Stays here')]),
    ...leftOut.map(({ path, why }) => `  ${path}  ${paint.dim(why)}`),
    ...files.flatMap(({ path, content }) =>
      content === undefined ? [] : ['', paint.bold(path), content.trimEnd()],
    ),
    '',
  ].join('\n')
}
