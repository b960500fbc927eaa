import { expect, test } from 'vitest'
import { runCli } from './run-cli.ts'

const commands = ['train', 'inspect', 'generate', 'chat', 'merge', 'build-native']

test('the help names every command, at once', async () => {
  const { code, stdout, stderr } = await runCli(['--help'])
  expect(code).toBe(0)
  expect(stderr).toBe('')
  for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
  expect((await runCli([])).stdout).toBe(stdout)
})

test.each(commands)('%s --help has flags and an example that begins with its name', async (name) => {
  const { code, stdout } = await runCli([name, '--help'])
  expect(code).toBe(0)
  expect(stdout).toContain(`Usage  fettle ${name}`)
  expect(stdout).toMatch(new RegExp(`Examples?\\n  fettle ${name}`))
})

test('the help of train shows the values that options may have', async () => {
  const { stdout } = await runCli(['train', '--help'])
  for (const value of [
    '--quantization <nf4|fp4|int8|null>',
    '--accept <dropped|inferred|no-stop,…>',
    '--model <path>',
  ])
    expect(stdout).toContain(value)
})

test('fettle help COMMAND is fettle COMMAND --help', async () => {
  expect((await runCli(['help', 'chat'])).stdout).toBe((await runCli(['chat', '--help'])).stdout)
})

test('--version', async () => {
  expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

const widths = [50, 120]
test.each(widths)('the help fits into %i columns', async (width) => {
  const { stdout } = await runCli(['chat', '--help'], { environment: { COLUMNS: String(width) } })
  const described = stdout.slice(0, stdout.indexOf('Examples')).split('\n')
  // A flag with its values is one word and cannot be broken.
  const long = described.filter((line) => line.length > width && !line.trim().startsWith('--'))
  expect(long).toEqual([])
})

const colours: { name: string; environment: Record<string, string>; coloured: boolean }[] = [
  { name: 'a pipe', environment: {}, coloured: false },
  { name: 'FORCE_COLOR', environment: { FORCE_COLOR: '1' }, coloured: true },
  { name: 'FORCE_COLOR=0', environment: { FORCE_COLOR: '0' }, coloured: false },
  { name: 'FORCE_COLOR wins', environment: { FORCE_COLOR: '1', NO_COLOR: '1' }, coloured: true },
]
test.each(colours)('colours: $name', async ({ environment, coloured }) => {
  const { stdout } = await runCli(['--help'], { environment })
  expect(stdout.includes('\u001B[')).toBe(coloured)
})

const wrong: { args: string[]; says: string[] }[] = [
  { args: ['gnerate'], says: ['fettle gnerate: no such command', 'Did you mean generate?'] },
  { args: ['--modle'], says: ['fettle --modle: no command'] },
  {
    args: ['train', '--batch-size', '4', '--epochs', '1', '--lora-rank', '8'],
    says: ['Did you mean --per-device-train-batch-size?', '--num-train-epochs?', '--lora-r?'],
  },
  { args: ['chat', '--modle', 'x'], says: ['--modle: no such flag. Did you mean --model?'] },
  {
    args: ['generate', '--max-new-token', '5', '-x'],
    says: ['Did you mean --max-new-tokens?', '-x: no such flag'],
  },
  { args: ['generate', '--temperature', 'warm'], says: ["--temperature: 'warm'; expected a number"] },
  { args: ['generate', '--top-k'], says: ['--top-k: no value; expected a number'] },
  { args: ['generate', '--top-k', '--seed', '1'], says: ['--top-k: no value'] },
  {
    args: ['generate', '--engine', 'cuda'],
    says: ["--engine: 'cuda'; expected native or wasm or reference"],
  },
  { args: ['generate', '--raw=perhaps'], says: ["--raw: 'perhaps'; expected no value, true or false"] },
  { args: ['generate', '--seed', '1', '--seed=2'], says: ["--seed: given twice, '1' and '2'"] },
  { args: ['generate', 'two', 'words'], says: ['prompt: 2 arguments; expected one'] },
  { args: ['generate', '--model', 'a', '--input', 'b', 'c'], says: ['--input: a prompt as well'] },
  { args: ['generate', 'hello'], says: ['--model: not given'] },
  {
    args: ['generate', '--model', '/nowhere', 'hello'],
    says: ['--model /nowhere: no such file or folder', 'downloads nothing'],
  },
  {
    args: ['generate', '--adapter', '/nowhere', 'hello'],
    says: ['--adapter /nowhere: no such file or folder'],
  },
  { args: ['chat', 'hello'], says: ['hello: unexpected; expected flags only'] },
  { args: ['merge'], says: ['--adapter: not given', '--output-dir: not given'] },
  { args: ['demo', '--steps', '0'], says: ['--steps: 0; expected a whole number from 1'] },
  {
    args: ['generate', '--model', 'assets/tiny-llama', 'Hi', '--max-new-tokens', '0'],
    says: ['--max-new-tokens: 0; expected a whole number from 1'],
  },
  {
    args: ['inspect', '--limit', '-1', '--model', 'x', 'y.jsonl'],
    says: ['--limit: -1; expected a whole number from 0'],
  },
  { args: ['inspect', '/nowhere.yaml'], says: ['/nowhere.yaml: no such file or folder'] },
  { args: ['inspect', 'train.jsonl'], says: ['no model'] },
]
test.each(wrong)('$args: exit 2, reasons on stderr, nothing on stdout', async ({ args, says }) => {
  const { code, stdout, stderr } = await runCli(args)
  for (const text of says) expect(stderr).toContain(text)
  expect(stdout).toBe('')
  expect(code).toBe(2)
})

test('every spelling of a flag is the same flag', async () => {
  for (const spelling of ['--max-new-tokens', '--max_new_tokens', '--maxNewTokens', '--MAX-NEW-TOKENS'])
    expect((await runCli(['generate', spelling, 'x', 'hello'])).stderr).toContain(
      `${spelling}: 'x'; expected a number`,
    )
})

test('a flag that is on or off takes a word, too', async () => {
  const { stderr } = await runCli(['train', '--packing', 'False', '--low-memory', 'true', '--model', 'm'])
  expect(stderr).toBe(
    'error flags: no data; expected data: Files to train on, with format, columns and roles where needed.\n',
  )
})

test('the value of an unknown flag is not reported, too', async () => {
  const { stderr } = await runCli(['chat', '--modle', 'x'])
  expect(stderr).toBe('error --modle: no such flag. Did you mean --model?\n')
})

test('what is given after -- is no flag', async () => {
  const { stderr } = await runCli(['generate', '--', '--help'])
  expect(stderr).toContain('--model: not given')
})

test('build-native says what it did', async () => {
  const environment = { FETTLE_NATIVE: '0' }
  const plain = await runCli(['build-native'], { environment })
  expect(plain.stdout).toContain('left out (FETTLE_NATIVE=0)')
  const { code, stdout } = await runCli(['build-native', '--json'], { environment })
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual({ message: plain.stdout.trim() })
})

test('build-native fails where it finds no compiler', async () => {
  const environment = { CXX: '/nowhere/g++' }
  const { code, stdout, stderr } = await runCli(['build-native', '--json'], { environment })
  expect(stderr).toContain('no C++ compiler found')
  expect(stdout).toBe('')
  expect(code).toBe(1)
})
