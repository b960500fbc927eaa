import type { Command } from '../command.ts'
import type { Flag } from './flags.ts'
import { flagName } from './flags.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { wrap } from '../terminal/terminal.ts'

/** Two columns, the right one wrapped to the terminal; on a narrow one it goes below the left. */
export function columns(rows: readonly (readonly [string, string])[], { width, paint }: Terminal): string {
  const left = Math.max(...rows.map(([name]) => name.length))
  const narrow = width - left - 4 < 30
  return rows
    .map(([name, text]) => {
      const indent = narrow ? 6 : left + 4
      const lines = wrap(text, Math.max(20, width - indent))
      const first = narrow
        ? `  ${paint.cyan(name)}\n${' '.repeat(indent)}`
        : `  ${paint.cyan(name.padEnd(left))}  `
      return first + lines.join(`\n${' '.repeat(indent)}`)
    })
    .join('\n')
}

/** The help of a command: what it does, how it is called, its flags and examples. */
export function commandHelp(name: string, summary: string, command: Command, terminal: Terminal): string {
  const { paint, width } = terminal
  const positional = Object.entries(command.flags).find(([, { type }]) => type === 'positional')
  const call = `fettle ${name}${positional ? ` ${positionalName(...positional)}` : ''} [flags]`
  const groups = new Map<string | undefined, [string, Flag][]>([[undefined, []]])
  for (const [flag, settings] of Object.entries(command.flags)) {
    const group = groups.get(settings.group) ?? []
    groups.set(settings.group, [...group, [flag, settings]])
  }
  const sections = [...groups].map(([title, flags]): string[] => {
    const rows = flagRows(flags)
    if (title === undefined) rows.push(['--help', 'Shows this.'])
    return [...(title === undefined ? [] : ['', paint.bold(title)]), columns(rows, terminal)]
  })
  return [
    ...wrap(`${summary}.`, width),
    ...(command.details === undefined
      ? []
      : ['', ...command.details.split('\n').flatMap((line) => wrap(line, width))]),
    '',
    `${paint.bold('Usage')}  ${call}`,
    '',
    ...sections.flat(),
    '',
    paint.bold(command.examples.length === 1 ? 'Example' : 'Examples'),
    ...command.examples.map((example) => `  fettle ${example}`),
    '',
  ].join('\n')
}

function positionalName(name: string, { required, repeats }: Flag): string {
  const shown = `${name.toUpperCase()}${repeats === true ? '…' : ''}`
  return required === true ? shown : `[${shown}]`
}

function flagRows(flags: readonly (readonly [string, Flag])[]): [string, string][] {
  return flags.map(([name, flag]) => {
    const { type, options, hint, description, required } = flag
    const text = required === true && type !== 'positional' ? `${description} (required)` : description
    if (type === 'positional') return [positionalName(name, flag), text]
    if (type === 'boolean') return [flagName(name), text]
    const value = options === undefined ? (hint ?? (type === 'number' ? 'n' : 'text')) : options.join('|')
    return [`${flagName(name)} <${value}>`, text]
  })
}
