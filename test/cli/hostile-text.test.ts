import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { terminalOf } from '../../src/cli/terminal/terminal.ts'
import { visibleText } from '../../src/cli/terminal/visible-text.ts'
import { cli, jsonLines, runCli } from './run-cli.ts'
import { makeWorkplace } from './tiny-model.ts'

/** Fills the clipboard, clears the screen (also with C1's CSI), hides text, turns its direction, returns to the line's start. */
const evil =
  '\u001B]52;c;ZXZpbA==\u0007\u001B[2J\u009B2J\u001B[8m\u202E\u2066\u200F\u061C\u2028\u0000\u007F\r'
const inName = evil.replaceAll('\u0000', '')

// oxlint-disable-next-line no-control-regex -- control characters are what this looks for
const steering = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u206F]/u

let cwd = ''
const model = `model ${inName}`
beforeAll(async () => {
  cwd = await makeWorkplace()
  const turn = (role: string, content: string) => ({ role, content })
  const lines = (...rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  const chat = { messages: [turn('user', `Hi ${evil}`), turn('assistant', `Oh ${evil} no`)] }
  const copy = async (name: string, files: Record<string, string>) => {
    await cp(join(cwd, 'model'), join(cwd, name), { recursive: true })
    for (const [file, content] of Object.entries(files)) await writeFile(join(cwd, name, file), content)
  }
  await copy(model, {})
  await copy('config', { 'config.json': JSON.stringify({ model_type: evil, [evil]: evil, dtype: evil }) })
  await copy('broken', { 'config.json': `{"${evil}": ${evil}}` })
  await copy('component', {
    'tokenizer.json': JSON.stringify({
      version: '1.0',
      model: { type: evil },
      pre_tokenizer: { type: evil },
    }),
  })
  await copy('special', { 'tokenizer_config.json': JSON.stringify({ eos_token: evil, [evil]: evil }) })
  await copy('refusing', { 'chat_template.jinja': `{{ raise_exception('${evil}' + messages[0].content) }}` })
  await copy('unparsed', { 'chat_template.jinja': `{{ messages | ${evil} }}` })
  await copy('undefined', { 'chat_template.jinja': `{{ messages[0]['${evil}'].x }}` })
  await copy('generation', { 'generation_config.json': JSON.stringify({ eos_token_id: evil, [evil]: evil }) })
  await cp(join(cwd, 'adapter'), join(cwd, 'odd-adapter'), { recursive: true })
  await writeFile(
    join(cwd, 'odd-adapter', 'adapter_config.json'),
    JSON.stringify({ peft_type: evil, [evil]: evil, target_modules: [evil] }),
  )
  await writeFile(join(cwd, 'chat.jsonl'), lines(chat, chat))
  await writeFile(join(cwd, `${inName}.jsonl`), lines(chat))
  await writeFile(join(cwd, 'role.jsonl'), lines({ messages: [turn(evil, 'x'), turn('assistant', 'y')] }))
  await writeFile(join(cwd, 'columns.jsonl'), lines({ [evil]: evil, [`${evil}2`]: 1 }))
  await writeFile(join(cwd, 'torn.jsonl'), `{"messages": ${evil}`)
  await writeFile(
    join(cwd, 'run.yaml'),
    `"${visibleText(evil)}": "${visibleText(evil)}"\nlearning_rate: "${visibleText(evil)}"\n`,
  )
  await writeFile(join(cwd, 'torn.yaml'), `model: [${evil.slice(0, 8)}\n`)
})
afterAll(() => rm(cwd, { recursive: true, force: true }))

const tuned = (...more: string[]) => [
  'train',
  '--model',
  model,
  '--data',
  'chat.jsonl',
  '--max-steps',
  '1',
  '--max-length',
  '128',
  ...more,
]

/** What is run, and what it reads. */
const commands: [name: string, args: () => string[], input?: string][] = [
  ['inspect: a conversation', () => ['inspect', 'chat.jsonl', '--model', 'model']],
  ['inspect: as it is served', () => ['inspect', 'chat.jsonl', '--model', 'model', '--serve']],
  ['inspect: turn by turn', () => ['inspect', 'chat.jsonl', '--model', 'model', '--per-turn']],
  ['inspect: names of files', () => ['inspect', `${inName}.jsonl`, '--model', model]],
  ['inspect: a role', () => ['inspect', 'role.jsonl', '--model', 'model']],
  ['inspect: columns', () => ['inspect', 'columns.jsonl', '--model', 'model']],
  ['inspect: broken JSON', () => ['inspect', 'torn.jsonl', '--model', 'model']],
  ['inspect: a template that refuses', () => ['inspect', 'chat.jsonl', '--model', 'refusing']],
  ['inspect: a template that is none', () => ['inspect', 'chat.jsonl', '--model', 'unparsed']],
  ['inspect: a template that fails', () => ['inspect', 'chat.jsonl', '--model', 'undefined']],
  ['inspect: a path', () => ['inspect', `nowhere ${inName}`, '--model', 'model']],
  ['doctor: data', () => ['doctor', 'chat.jsonl', 'columns.jsonl', '--model', model]],
  ['doctor: a role', () => ['doctor', 'role.jsonl', '--model', model]],
  ['doctor: files of a model', () => ['doctor', '--model', 'broken']],
  ['doctor: a template', () => ['doctor', 'chat.jsonl', '--model', 'refusing']],
  ['doctor: a run file', () => ['doctor', 'run.yaml']],
  ['doctor: an adapter', () => ['doctor', '--model', 'model', '--adapter', 'odd-adapter']],
  ['train', () => tuned('--output-dir', `runs/${inName}`, '--eval-data', 'chat.jsonl')],
  ['train: a run file', () => ['train', 'run.yaml']],
  ['train: a broken run file', () => ['train', 'torn.yaml']],
  ['generate: config.json', () => ['generate', 'Hi', '--json', '--model', 'config']],
  ['generate: broken config.json', () => ['generate', 'Hi', '--json', '--model', 'broken']],
  ['generate: tokenizer.json', () => ['generate', 'Hi', '--json', '--model', 'component']],
  ['generate: tokenizer_config.json', () => ['generate', 'Hi', '--json', '--model', 'special']],
  ['generate: generation_config.json', () => ['generate', 'Hi', '--json', '--model', 'generation']],
  ['generate: a template', () => ['generate', evil.replace('\0', ''), '--model', 'refusing']],
  [
    'generate: an adapter',
    () => ['generate', 'Hi', '--json', '--model', 'model', '--adapter', 'odd-adapter'],
  ],
  [
    'generate: prompts',
    () => ['generate', '--model', 'model', '--input', 'torn.jsonl', '--raw'],
    `{"${evil}":`,
  ],
  ['chat: a template', () => ['chat', '--model', 'refusing'], 'Hello\n'],
  ['merge', () => ['merge', '--model', model, '--adapter', 'adapter', '--output-dir', `merged ${inName}`]],
  ['wrong usage', () => ['generate', `--${inName}`, '--model', 'model']],
  ['no command', () => [inName]],
]

describe('what files say reaches stdout and stderr with its characters written out', () => {
  let echoed = 0
  test.each(commands)('%s', async (_, args, input) => {
    const result = await runCli(args(), { cwd, ...(input !== undefined && { input }) })
    const said = result.stdout + result.stderr
    expect(said).not.toMatch(steering)
    expect(said).not.toContain('fault in fettle')
    if (said.includes('\\u001b')) echoed += 1
  })

  test('most of them do show it', () => expect(echoed).toBeGreaterThan(20))
})

describe('--json', () => {
  test.each([
    ['inspect', ['inspect', 'chat.jsonl', '--model', 'model', '--json']],
    ['doctor', ['doctor', 'chat.jsonl', 'columns.jsonl', '--model', model, '--json']],
    ['train', tuned('--output-dir', `json ${inName}`, '--json')],
  ])('of %s is JSON with the same values', async (_, args) => {
    const { stdout, stderr } = await runCli(args, { cwd })
    expect(stdout + stderr).not.toMatch(steering)
    expect(JSON.stringify(jsonLines(stdout))).toContain(JSON.stringify(inName).slice(1, 12))
  })
})

/** Random bytes, as a hot model with random weights says them. */
const raving = [
  'generate',
  'Once',
  '--model',
  'model',
  '--raw',
  '--seed',
  '1',
  '--temperature',
  '50',
  '--max-new-tokens',
  '90',
]

test('an answer is handed to a program as the model said it', async () => {
  const { stdout } = await runCli(raving, { cwd })
  const [{ text }] = jsonLines((await runCli([...raving, '--json'], { cwd })).stdout)
  expect(stdout).toBe(`${String(text)}\n`)
  expect(stdout).toMatch(steering)
})

/** What a command sends to a terminal, without the colours and the redrawn line that are fettle's own. */
function onTerminal(args: readonly string[]): string {
  const quoted = [process.execPath, cli, ...args].map((word) => `'${word}'`).join(' ')
  const { stdout } = spawnSync('script', ['-qec', quoted, '/dev/null'], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, TERM: 'xterm' },
    input: '',
  })
  // oxlint-disable-next-line no-control-regex -- escape sequences are what this takes apart
  return stdout.replaceAll(/\u001B\[(?:[12]|22|3[12356]|39)m|\r\u001B\[K|\r+(?=\n)/g, '')
}

test.skipIf(!existsSync('/usr/bin/script')).each([
  ['inspect', ['inspect', 'chat.jsonl', '--model', 'model']],
  ['train', tuned('--output-dir', `terminal ${inName}`)],
  ['generate', raving],
  ['an error', ['inspect', 'torn.jsonl', '--model', 'model']],
])('%s at a terminal', (_, args) => {
  const shown = onTerminal(args)
  expect(shown).not.toMatch(steering)
  expect(shown).toContain('u00')
})

test('nobody who writes a file can make its text pass for fettle’s own', () => {
  const written: string[] = []
  const stream = { isTTY: true, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream
  const terminal = terminalOf(stream, { FORCE_COLOR: '1' })
  terminal.write(terminal.paint.red(`${evil}\u001B[31mred\tA👩‍👧`))
  terminal.writeAnswer(evil)
  expect(written).toEqual([`\u001B[31m${visibleText(evil)}\\u001b[31mred\tA👩‍👧\u001B[39m`, visibleText(evil)])
  expect(JSON.parse(visibleText(JSON.stringify({ evil })))).toEqual({ evil })
})
