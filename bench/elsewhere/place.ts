import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where somebody has installed fettle, and how Node runs there. */
export interface Place {
  name: string
  folder: string
  command: readonly string[]
  env: NodeJS.ProcessEnv
}

/** fettle's command line, from there. */
export const cli = 'node_modules/fettle/dist/cli.mjs'

/** Runs Node there. What it prints goes to files: under wine Node has no pipes. */
export function startNode({ command, folder: cwd, env }: Place, args: readonly string[]) {
  const [program, ...first] = command
  const files = ['stdout', 'stderr'].map((name) => join(cwd, name))
  const [out, err] = files.map((path) => openSync(path, 'w'))
  const child = spawn(program, [...first, ...args], { cwd, env, stdio: ['ignore', out, err] })
  for (const file of [out, err]) closeSync(file)
  const ended = new Promise<number>((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => done(code ?? -1))
  })
  const printed = async (): Promise<string[]> => Promise.all(files.map((path) => readFile(path, 'utf8')))
  return { child, ended, printed }
}

/** The exit code, and all that it printed. */
export async function nodeIn(place: Place, ...args: readonly string[]) {
  const { ended, printed } = startNode(place, args)
  const code = await ended
  const [stdout, stderr] = await printed()
  return { code, stdout, stderr }
}

export const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? ''

/** An event of `--json`. */
export interface Event {
  type: string
  step?: number
  loss?: number
  tokens_per_second?: number
  output_dir?: string
  first_step?: number
  notes?: string[]
}

/** The events among what was printed. */
export const eventsOf = (text: string): Event[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Event)
