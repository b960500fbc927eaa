import { FettleError } from '../../error.ts'
import { defineCommand, type Command } from '../command.ts'
import { flagName, type Flag } from './flags.ts'
import { terminalOf } from '../terminal/terminal.ts'

/** A command as the table has it. */
export interface CommandEntry {
  /** Without a full stop. */
  summary: string
  load: () => Promise<Command>
}

/** A command with what may follow it. */
interface Completed {
  name: string
  summary: string
  flags: readonly CompletedFlag[]
}

interface CompletedFlag {
  /** `--learning-rate` */
  name: string
  description: string
  /** What its value is; `none` for one without. */
  value: 'none' | 'path' | 'text' | readonly string[]
}

const shells = {
  bash: { write: bash, how: 'source <(fettle completions bash)   # in ~/.bashrc' },
  zsh: { write: zsh, how: 'source <(fettle completions zsh)   # in ~/.zshrc, behind compinit' },
  fish: { write: fish, how: 'fettle completions fish > ~/.config/fish/completions/fettle.fish' },
} as const

/** The command that prints a script with which a shell completes commands, flags and their values. */
export function completionsOf(commands: ReadonlyMap<string, CommandEntry>): Command {
  return defineCommand({
    flags: {
      shell: { type: 'positional', required: true, description: Object.keys(shells).join(', ') },
    },
    details: Object.values(shells)
      .map(({ how }) => how)
      .join('\n'),
    examples: Object.keys(shells).map((name) => `completions ${name}`),
    async run({ shell }) {
      const wanted = Object.entries(shells).find(([name]) => name === shell)?.[1]
      if (wanted === undefined)
        throw new FettleError({
          place: 'completions',
          found: `'${shell}'`,
          expected: Object.keys(shells).join(', '),
        })
      const all = await Promise.all(
        [...commands].map(async ([name, { summary, load }]): Promise<Completed> => {
          const { flags } = await load()
          const named = Object.entries(flags).filter(([, { type }]) => type !== 'positional')
          const help: CompletedFlag = {
            name: '--help',
            description: 'Shows flags and examples.',
            value: 'none',
          }
          return {
            name,
            summary,
            flags: [...named.map(([flag, settings]) => completed(flag, settings)), help],
          }
        }),
      )
      terminalOf(process.stdout).writeAnswer(wanted.write(all))
    },
  })
}

function completed(name: string, { type, options, hint, description }: Flag): CompletedFlag {
  const value = type === 'boolean' ? 'none' : (options ?? (hint === 'path' ? 'path' : 'text'))
  return { name: flagName(name), description, value }
}

const words = (items: readonly string[]): string => items.join(' ')

function bash(commands: readonly Completed[]): string {
  const values = commands.flatMap(({ name, flags }) =>
    flags.flatMap((flag) => {
      const { value } = flag
      if (value === 'none' || value === 'path') return []
      const reply =
        value === 'text' ? 'return' : `COMPREPLY=($(compgen -W "${words(value)}" -- "$word")); return`
      return [`    '${name} ${flag.name}') ${reply} ;;`]
    }),
  )
  return `_fettle() {
  local word=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} flags=
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "${words(commands.map(({ name }) => name))} --help --version" -- "$word"))
    return
  fi
  case "$command \${COMP_WORDS[COMP_CWORD-1]}" in
${values.join('\n')}
  esac
  case "$command" in
${commands.map(({ name, flags }) => `    ${name}) flags="${words(flags.map((flag) => flag.name))}" ;;`).join('\n')}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _fettle fettle
`
}

function zsh(commands: readonly Completed[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`
  const plain = (text: string) => text.replaceAll(/[\\[\]:]/g, String.raw`\$&`)
  const valueOf = (value: CompletedFlag['value']): string => {
    if (value === 'none') return ''
    if (value === 'path') return ':path:_files'
    return value === 'text' ? ':value: ' : `:value:(${words(value)})`
  }
  const flagLines = (flags: readonly CompletedFlag[]) =>
    flags.map(({ name, description, value }) => quote(`${name}[${plain(description)}]${valueOf(value)}`))
  return `#compdef fettle
_fettle() {
  if (( CURRENT == 2 )); then
    local -a commands=(${commands.map(({ name, summary }) => quote(`${name}:${plain(summary)}`)).join(' ')})
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${commands.map(({ name, flags }) => `    ${name}) _arguments ${flagLines(flags).join(' ')} '*:path:_files' ;;`).join('\n')}
  esac
}
compdef _fettle fettle
`
}

function fish(commands: readonly Completed[]): string {
  const quote = (text: string) => `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`
  return [
    ...commands.map(
      ({ name, summary }) => `complete -c fettle -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
    ),
    ...commands.flatMap(({ name: command, flags }) =>
      flags.map(({ name, description, value }) => {
        const takes =
          value === 'none'
            ? ''
            : value === 'path'
              ? ' -r'
              : value === 'text'
                ? ' -x'
                : ` -x -a ${quote(words(value))}`
        return `complete -c fettle -n '__fish_seen_subcommand_from ${command}' -l ${name.slice(2)}${takes} -d ${quote(description)}`
      }),
    ),
    '',
  ].join('\n')
}
