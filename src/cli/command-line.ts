import path from 'node:path'
import { quotedHere } from '../shell-quoted.ts'

/** How a process of fettle was started. */
export interface Start {
  /** The script that Node was given: the link in a folder of programs, or the file itself. */
  script: string
  environment: NodeJS.ProcessEnv
  /** The working folder. */
  folder: string
  platform: NodeJS.Platform
}

const here = (): Start => ({
  script: process.argv[1],
  environment: process.env,
  folder: process.cwd(),
  platform: process.platform,
})

/** A command line of fettle that can be pasted into the shell that this one was started from. */
export function commandLine(args: readonly string[], start: Start = here()): string {
  return [...startedBy(start), ...args].map((argument) => quotedHere(argument, start.platform)).join(' ')
}

/** What a command line begins with so that the same fettle is found again: itself, npx, or Node with its file. */
function startedBy({ script, environment, folder, platform }: Start): string[] {
  const { dirname, basename, relative, sep, delimiter, isAbsolute } =
    platform === 'win32' ? path.win32 : path.posix
  // npx, npm exec and npm run.
  if (environment['npm_command'] !== undefined) return ['npx', 'fettle']
  const isInPath = (programs: string): boolean =>
    (environment['PATH'] ?? environment['Path'] ?? '')
      .split(delimiter)
      .some((each) => each !== '' && relative(each, programs) === '')
  const isAbove = (root: string): boolean => {
    const below = relative(root, folder)
    return !isAbsolute(below) && below.split(sep)[0] !== '..'
  }
  const isProgram = /^fettle(\.\w+)?$/.test(basename(script))
  if (isProgram && isInPath(dirname(script))) return ['fettle']
  // npm's links lead from node_modules/.bin, on Windows by a script from there or from the folder above node_modules.
  const [, root] = /^(.*)[\\/]node_modules[\\/](?:\.bin[\\/]|fettle[\\/])/.exec(script) ?? []
  if (root !== undefined && isAbove(root)) return ['npx', 'fettle']
  if (root !== undefined && platform === 'win32' && isInPath(root)) return ['fettle']
  const below = relative(folder, script)
  return ['node', below.split(sep)[0] === '..' || isAbsolute(below) ? script : below.split(sep).join('/')]
}

/** Those that messages name, in the order of the help. */
export const commandNames =
  'demo train attach prepare plot report inspect doctor generate chat merge export push bench site build-native completions'.split(
    ' ',
  )

const named = new RegExp(
  String.raw`(?<![\w./@-])(?:npx )?fettle (?=(?:${commandNames.join('|')})(?![\w-]))`,
  'g',
)

/** A message whose commands can be pasted: `fettle merge` begins as this process was started. */
export function withCommands(text: string, start: Start = here()): string {
  const begins = startedBy(start).map((argument) => quotedHere(argument, start.platform))
  return text.replaceAll(named, () => `${begins.join(' ')} `)
}
