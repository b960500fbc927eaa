import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { commandLine, commandNames, withCommands, type Start } from '../../src/cli/command-line.ts'
import { runCli } from './run-cli.ts'
import { quotedForSh, quotedForWindows } from '../../src/shell-quoted.ts'

const linux: Start = {
  script: '/usr/local/bin/fettle',
  environment: { PATH: '/usr/bin:/usr/local/bin' },
  folder: '/home/me/project',
  platform: 'linux',
}
const windows: Start = {
  script: String.raw`C:\Users\me\AppData\Roaming\npm\node_modules\fettle\dist\cli.mjs`,
  environment: { Path: String.raw`C:\Windows;C:\Users\me\AppData\Roaming\npm` },
  folder: String.raw`D:\project`,
  platform: 'win32',
}

describe('a command line begins as this process was started', () => {
  const cases: [name: string, start: Start, begins: string][] = [
    ['installed globally', linux, 'fettle'],
    ['a link that is not in PATH', { ...linux, environment: {} }, 'node /usr/local/bin/fettle'],
    ['npx', { ...linux, environment: { npm_command: 'exec' } }, 'npx fettle'],
    [
      'the project’s own, without npx',
      { ...linux, script: '/home/me/project/node_modules/.bin/fettle' },
      'npx fettle',
    ],
    [
      'the same from a folder of the project',
      {
        ...linux,
        script: '/home/me/project/node_modules/.bin/fettle',
        folder: '/home/me/project/..data',
      },
      'npx fettle',
    ],
    [
      'another project’s',
      { ...linux, script: '/home/me/other/node_modules/fettle/dist/cli.mjs' },
      'node /home/me/other/node_modules/fettle/dist/cli.mjs',
    ],
    [
      'a clone, in it',
      { ...linux, script: '/home/me/fettle/dist/cli.mjs', folder: '/home/me/fettle' },
      'node dist/cli.mjs',
    ],
    ['a clone, elsewhere', { ...linux, script: '/my clones/dist/cli.mjs' }, "node '/my clones/dist/cli.mjs'"],
    ['Windows, installed globally', windows, 'fettle'],
    [
      'Windows, the project’s own',
      { ...windows, script: String.raw`D:\project\node_modules\fettle\dist\cli.mjs` },
      'npx fettle',
    ],
    [
      'Windows, a clone on another drive',
      { ...windows, script: String.raw`E:\my clones\fettle\dist\cli.mjs` },
      String.raw`node "E:\my clones\fettle\dist\cli.mjs"`,
    ],
    ['Windows, in a clone', { ...windows, script: String.raw`D:\project\dist\cli.mjs` }, 'node dist/cli.mjs'],
  ]
  test.each(cases)('%s', (_, start, begins) =>
    expect(commandLine(['chat', '--model', 'm'], start)).toBe(`${begins} chat --model m`),
  )
})

describe('commands in a message begin as this process was started', () => {
  const clone = { ...linux, script: '/home/me/project/dist/cli.mjs' }
  test.each<[text: string, start: Start, said: string]>([
    ['Merge it (fettle merge), and run.', clone, 'Merge it (node dist/cli.mjs merge), and run.'],
    ['`npx fettle build-native` makes it', linux, '`fettle build-native` makes it'],
    [
      'fettle inspect --method dpo',
      { ...linux, environment: { npm_command: 'exec' } },
      'npx fettle inspect --method dpo',
    ],
    [
      'Look at it with fettle doctor.',
      { ...windows, script: String.raw`E:\my clones\fettle\dist\cli.mjs` },
      String.raw`Look at it with node "E:\my clones\fettle\dist\cli.mjs" doctor.`,
    ],
    ['fettle trains, fettle says, import of fettle/chat, @x/fettle train-it', clone, ''],
  ])('%s', (text, start, said) => expect(withCommands(text, start)).toBe(said || text))

  test('all of them', async () => {
    const { stdout } = await runCli(['--help'])
    expect([...stdout.matchAll(/^ {2}([a-z-]+) {2,}[A-Z]/gm)].map(([, name]) => name)).toEqual(commandNames)
  })
})

const odd = [
  '',
  'a b',
  "it's",
  '$HOME',
  '`x`',
  '*.jsonl',
  'a"b',
  String.raw`C:\a b\ `,
  'ü',
  '~/x',
  '#',
  'a;b',
  '{"a":1}',
]

test.skipIf(process.platform === 'win32')('sh gives a program what was quoted', () => {
  const script = `printf '%s\\n' ${odd.map(quotedForSh).join(' ')}`
  expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(`${odd.join('\n')}\n`)
})

/** How Microsoft's C library divides a command line into arguments (learn.microsoft.com, "Parsing C command-line arguments"). */
function argumentsOf(line: string): string[] {
  const found: string[] = []
  let [argument, inQuotes, begun] = ['', false, false]
  for (let i = 0; i < line.length; i += 1) {
    const backslashes = /^\\*/.exec(line.slice(i))?.[0].length ?? 0
    if (backslashes > 0) {
      const isBeforeQuote = line[i + backslashes] === '"'
      argument += '\\'.repeat(isBeforeQuote ? backslashes >> 1 : backslashes)
      begun = true
      i += backslashes - 1
      if (isBeforeQuote && backslashes % 2 === 1) {
        argument += '"'
        i += 1
      }
    } else if (line[i] === '"') {
      inQuotes = !inQuotes
      begun = true
    } else if (line[i] === ' ' && !inQuotes) {
      if (begun) found.push(argument)
      ;[argument, begun] = ['', false]
    } else {
      argument += line[i]
      begun = true
    }
  }
  return begun ? [...found, argument] : found
}

test('a program of Windows is given what was quoted', () => {
  const paths = [...odd, String.raw`C:\a b` + '\\', String.raw`\\server\a b\c`, 'a\\"b', 'C:\\a\\']
  expect(argumentsOf(paths.map(quotedForWindows).join(' '))).toEqual(paths)
})

test('what cmd.exe or PowerShell would divide stands between quotes', () => {
  for (const argument of ['a,b', 'a&b', 'a;b', '@x', 'a=b', '(a)', 'a|b', 'a^b'])
    expect(quotedForWindows(argument)).toBe(`"${argument}"`)
  expect(quotedForWindows(String.raw`C:\models\SmolLM2-135M`)).toBe(String.raw`C:\models\SmolLM2-135M`)
})
