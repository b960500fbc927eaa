import { setFlagsFromString } from 'node:v8'
import { closestName } from '../closest-name.ts'
import { FettleError } from '../error.ts'
import { argumentsFromHome } from '../home-folder.ts'
import { watchOutput } from './terminal/closed-output.ts'
import type { CommandEntry } from './flags/completions.ts'
import { columns, commandHelp } from './flags/help.ts'
import { reportError } from './terminal/report-error.ts'
import type { Terminal } from './terminal/terminal.ts'
import { terminalOf } from './terminal/terminal.ts'
import { version } from '../version.ts'

/** Each is loaded only when it runs, so that the help is there at once. */
const commands: ReadonlyMap<string, CommandEntry> = new Map<string, CommandEntry>([
  [
    'demo',
    {
      summary: 'Fine-tunes the small model that fettle ships, in about half a minute',
      load: async () => (await import('./demo.ts')).demo,
    },
  ],
  [
    'train',
    {
      summary: 'Fine-tunes a model on your conversations',
      load: async () => (await import('./train/train.ts')).train,
    },
  ],
  [
    'attach',
    {
      summary: 'Shows a run again that is computed elsewhere, or ends it',
      load: async () => (await import('./train/attach.ts')).attach,
    },
  ],
  [
    'prepare',
    {
      summary: 'Turns data into tokens and keeps them, so that training begins at once',
      load: async () => (await import('./prepare/prepare.ts')).prepare,
    },
  ],
  [
    'plot',
    {
      summary: 'Draws the curves of runs in the terminal',
      load: async () => (await import('./train/plot.ts')).plot,
    },
  ],
  [
    'report',
    {
      summary: 'Writes one page with the curves of several runs',
      load: async () => (await import('./train/report.ts')).report,
    },
  ],
  [
    'inspect',
    {
      summary: 'Shows what a model would learn of your conversations, token by token',
      load: async () => (await import('./inspect/inspect.ts')).inspect,
    },
  ],
  [
    'doctor',
    {
      summary: 'Says what is wrong with a model, its data or a run, and how to cure it',
      load: async () => (await import('./doctor/doctor.ts')).doctor,
    },
  ],
  [
    'generate',
    {
      summary: 'Continues text, or answers messages, with a model',
      load: async () => (await import('./generate.ts')).generate,
    },
  ],
  [
    'chat',
    {
      summary: 'Talks with a model in the terminal',
      load: async () => (await import('./chat/chat.ts')).chat,
    },
  ],
  [
    'merge',
    {
      summary: 'Adds an adapter to its model and saves the result as a model',
      load: async () => (await import('./merge.ts')).merge,
    },
  ],
  [
    'export',
    {
      summary: 'Writes a model, with its adapter, as other software loads it',
      load: async () => (await import('./export.ts')).exportCommand,
    },
  ],
  [
    'push',
    {
      summary: 'Puts an adapter, a model or an export on Hugging Face’s Hub',
      load: async () => (await import('./push.ts')).push,
    },
  ],
  [
    'bench',
    {
      summary: 'Measures this machine, and training and generation against its limits',
      load: async () => (await import('./bench/bench.ts')).bench,
    },
  ],
  [
    'site',
    {
      summary: 'Gives out a page that fine-tunes in the browser',
      load: async () => (await import('./site/site.ts')).site,
    },
  ],
  [
    'build-native',
    {
      summary: 'Builds the native engine with this machine’s C++ compiler',
      load: async () => (await import('./build-native.ts')).buildNative,
    },
  ],
  [
    'completions',
    {
      summary: 'Prints a script with which bash, zsh or fish completes commands and flags',
      load: async () => (await import('./flags/completions.ts')).completionsOf(commands),
    },
  ],
])

function help(terminal: Terminal): string {
  const { paint } = terminal
  return [
    'Fine-tune a language model, and know exactly what it learned.',
    '',
    `${paint.bold('Usage')}  fettle <command> [flags]`,
    '',
    columns(
      [...commands].map(([name, { summary }]) => [name, `${summary}.`]),
      terminal,
    ),
    '',
    `fettle <command> --help shows its flags and examples, fettle --version the version.`,
    '',
  ].join('\n')
}

/** Runs the command that the arguments name; returns the exit code. */
async function main(rawArguments: readonly string[]): Promise<number> {
  const out = terminalOf(process.stdout)
  const [name, ...rest] = rawArguments
  try {
    if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
      out.write(help(out))
      if (name === undefined) await showNextStep(out)
      return 0
    }
    if (name === '--version' || name === '-v') {
      out.write(`${version()}\n`)
      return 0
    }
    const wanted = name === 'help' ? rest[0] : name
    const entry = commands.get(wanted)
    if (entry === undefined) throw unknownCommand(wanted)
    keepHeapSmall(wanted)
    const command = await entry.load()
    const untilEnd = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
    if (name === 'help' || untilEnd.includes('--help') || untilEnd.includes('-h')) {
      out.write(commandHelp(wanted, entry.summary, command, out))
      return 0
    }
    await watchMemory()
    return await command.execute(rest)
  } catch (error) {
    const people = terminalOf(process.stderr)
    const code = reportError(error, people)
    if (rawArguments.some((argument) => argument.includes('\uFFFD')))
      people.write(
        'An argument has bytes that are not UTF-8, which Node does not pass on as they are. Rename the file, or give the folder that it is in.\n',
      )
    return code
  }
}

/** Who says nothing more may not know what to say. */
async function showNextStep(out: Terminal): Promise<void> {
  const { nextStep } = await import('./next-step.ts')
  const next = await nextStep('.', out)
  if (next !== undefined) out.write(`\n${next}`)
}

/** Commands that only read: in a small young space, what long conversations leave behind is most of their time. */
const readers = new Set(['inspect', 'doctor', 'prepare'])

/**
 * V8 lets the space of young objects grow to 32 MiB while data is read, and keeps it, and collects old ones late; a run has
 * other uses for memory. Preparing makes so many that collecting them early takes a quarter of its time.
 */
function keepHeapSmall(command: string): void {
  if (!readers.has(command)) setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString(`--heap-growing-percent=${command === 'prepare' ? 150 : 50}`)
}

/** What Node would print by itself names files and their text as well: it goes through the same door. */
function watchFaults(): void {
  const people = terminalOf(process.stderr)
  process.removeAllListeners('warning')
  process.on('warning', ({ name, message }) => people.write(`${people.paint.yellow(name)} ${message}\n`))
  process.on('uncaughtException', (error) => {
    process.exitCode = reportError(error, people)
    process.exit()
  })
}

/** Starting, a tokenizer and data leave tens of MiB behind. A library may not touch its host's pages; this process is fettle's own. */
async function watchMemory(): Promise<void> {
  const { beforeMemoryIsTaken, returnIdleMemory } = await import('../engine/native/index.ts')
  beforeMemoryIsTaken(returnIdleMemory)
}

function unknownCommand(name: string): FettleError {
  const near = closestName(name, commands.keys())
  return new FettleError({
    place: `fettle ${name}`,
    found: name.startsWith('-') ? 'no command' : 'no such command',
    expected: [...commands.keys()].join(', '),
    ...(near !== undefined && { cure: `Did you mean ${near}?` }),
  })
}

watchOutput()
watchFaults()
const code = await main(argumentsFromHome(process.argv.slice(2)))
// Output that could not be written has set one already.
process.exitCode ??= code
