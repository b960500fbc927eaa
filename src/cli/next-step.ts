import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { commandLine } from './command-line.ts'
import { unbroken } from './terminal/paint.ts'
import type { Terminal } from './terminal/terminal.ts'
import { plural } from '../plural.ts'

/** What a folder holds that a command of fettle is for. */
interface Found {
  /** `run.yaml is a run file` */
  what: string
  /** Arguments of command lines, each with what it does. */
  commands: readonly (readonly [string[], string])[]
}

/** Names of files with rows. A .json file may be anything. */
const dataNames = /\.(jsonl|ndjson|csv|tsv|parquet|arrow)(\.(gz|zst))?$/i
/** A folder may hold thousands. */
const mostNames = 1000

/** What to do next in a folder, by what lies in it; undefined where nothing in it is fettle's business. */
export async function nextStep(folder: string, { paint }: Terminal): Promise<string | undefined> {
  const names = (await readdir(folder).catch(() => [])).slice(0, mostNames).toSorted()
  const found = [await runOf(folder), await runFileOf(folder, names), dataOf(names)]
  const lines = found.flatMap((each) =>
    each === undefined
      ? []
      : [
          `${each.what}:`,
          ...each.commands.map(([args, does]) => `  ${paint.cyan(unbroken(commandLine(args)))}  ${does}`),
        ],
  )
  return lines.length === 0 ? undefined : [paint.bold('In this folder'), ...lines, ''].join('\n')
}

/** The newest run that was made here. */
async function runOf(folder: string): Promise<Found | undefined> {
  const runs = join(folder, 'runs')
  const finished = await Promise.all(
    (await readdir(runs).catch(() => [])).slice(0, mostNames).map(async (name) => {
      const made = await stat(join(runs, name, 'adapter_config.json')).catch(() => undefined)
      return made === undefined || name === 'latest' ? [] : [{ path: `runs/${name}`, time: made.mtimeMs }]
    }),
  )
  const [newest] = finished.flat().toSorted((a, b) => b.time - a.time)
  if (newest === undefined) return undefined
  return {
    what: `${newest.path} is what a run made`,
    commands: [
      [['chat', '--adapter', newest.path], 'talks with it'],
      [['doctor', newest.path], 'says whether something is wrong with it'],
    ],
  }
}

async function runFileOf(folder: string, names: readonly string[]): Promise<Found | undefined> {
  for (const name of names.filter((each) => /\.ya?ml$/i.test(each))) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '')
    if (!/^model\s*:/m.test(text)) continue
    return {
      what: `${name} is a run file`,
      commands: [
        [['inspect', name], 'shows what would be learned'],
        [['train', name], 'trains'],
      ],
    }
  }
  return undefined
}

function dataOf(names: readonly string[]): Found | undefined {
  const data = names.filter((name) => dataNames.test(name))
  const [first] = data
  if (first === undefined) return undefined
  return {
    what:
      data.length === 1
        ? `${first} holds rows`
        : `${first} and ${plural(data.length - 1, 'more file')} hold rows`,
    commands: [
      [['inspect', first, '--model', 'path/to/model'], 'shows what would be learned'],
      [['train', '--model', 'path/to/model', '--data', first], 'trains'],
    ],
  }
}
