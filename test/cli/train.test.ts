import { existsSync, readdirSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { jsonLines, runCli, startCli } from './run-cli.ts'
import { makeWorkplace } from './tiny-model.ts'

let cwd: string
beforeAll(async () => {
  cwd = await makeWorkplace()
})
afterAll(() => rm(cwd, { recursive: true }))

const run = (args: readonly string[]) => runCli(['train', ...args], { cwd })
const small = [
  '--model',
  'model',
  '--engine',
  'reference',
  '--max-length',
  '64',
  '--per-device-train-batch-size',
  '1',
  '--lora-r',
  '2',
]
const steps = ['--max-steps', '4']

test('--json prints the events and nothing else', async () => {
  const args = [
    ...small,
    ...steps,
    '--data',
    'train.jsonl',
    '--eval-data',
    'train.jsonl',
    '--output-dir',
    'a',
    '--json',
  ]
  const { code, stdout, stderr } = await run(args)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const events = jsonLines(stdout)
  expect(events.map(({ type }) => type)).toEqual([
    'start',
    'eval',
    'step',
    'step',
    'step',
    'step',
    'eval',
    'end',
  ])
  expect(existsSync(join(cwd, 'a', 'adapter_model.safetensors'))).toBe(true)
})

test('plain lines in a pipe: one for each step, no escape codes, whatever the width', async () => {
  const { code, stdout, stderr } = await runCli(
    ['train', 'train.jsonl', ...small, ...steps, '--output-dir', 'the run'],
    {
      cwd,
      environment: { COLUMNS: '20', npm_command: 'exec' },
    },
  )
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(stdout).not.toContain('\u001B')
  expect(stdout.match(/^step \d\/4 {2}loss \d+\.\d+/gm)).toHaveLength(4)
  expect(stdout).toContain("Next:  npx fettle chat --model model --adapter 'the run'")
})

test('flags go before the run file', async () => {
  const file = [
    'model: model',
    'data: train.jsonl',
    'engine: reference',
    'max_steps: 9',
    'max_length: 64',
    'output_dir: c',
    'lora: { r: 2 }',
  ]
  await writeFile(join(cwd, 'run.yaml'), `${file.join('\n')}\n`)
  const { stdout } = await run(['run.yaml', '--max_steps', '2', '--json'])
  const [start] = jsonLines(stdout)
  expect(start).toMatchObject({ type: 'start', steps: 2, engine: 'reference', output_dir: 'c' })
})

test('the first Ctrl-C saves a checkpoint and stops, and the run goes on from it', async () => {
  const args = [
    ...small,
    '--max-steps',
    '400',
    '--save-steps',
    '0',
    '--data',
    'train.jsonl',
    '--output-dir',
    'd',
    '--json',
  ]
  const child = startCli(['train', ...args], { cwd })
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (!stdout.includes('"step","step":3,') && (stdout + text).includes('"step","step":3,'))
      child.kill('SIGINT')
    stdout += text
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code).toBe(130)
  expect(stderr).toContain('with a checkpoint')
  const events = jsonLines(stdout)
  const saved = events.find(({ type }) => type === 'checkpoint')
  expect(existsSync(join(cwd, String(saved?.['path']), 'adapter_model.safetensors'))).toBe(true)
  expect(events.at(-1)).toMatchObject({ type: 'end', interrupted: true })

  const resumed = jsonLines((await run([...args, '--resume-from-checkpoint'])).stdout)
  expect(resumed[0]).toMatchObject({ type: 'start', first_step: saved?.['step'] })
  expect(resumed.at(-1)).toMatchObject({ type: 'end', step: 400, interrupted: false })
})

test('a run whose reader goes away is saved', async () => {
  const child = startCli(
    [
      'train',
      ...small,
      '--max-steps',
      '4000',
      '--save-steps',
      '0',
      'train.jsonl',
      '--output-dir',
      'e',
      '--json',
    ],
    { cwd },
  )
  child.stdout.once('data', () => child.stdout.destroy())
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code).toBe(130)
  expect(readdirSync(join(cwd, 'e')).filter((name) => name.startsWith('checkpoint-'))).toHaveLength(1)
})

const wrong: { name: string; args: string[]; file?: string; says: string[] }[] = [
  { name: 'no data', args: ['--model', 'model'], says: ['no data'] },
  {
    name: 'an unknown flag',
    args: ['train.jsonl', '--learning-rat', '1'],
    says: ['Did you mean --learning-rate?'],
  },
  {
    name: 'an unknown key',
    args: ['wrong.yaml'],
    file: 'model: model\ndata: train.jsonl\nlearning_rte: 1\n',
    says: ['wrong.yaml:3: ', 'Did you mean learning_rate?'],
  },
  {
    name: 'several wrong values at once',
    args: [...small, 'train.jsonl', '--learning-rate', '-1', '--max-steps', '0.5'],
    says: ['--learning-rate', '--max-steps'],
  },
  { name: 'a broken line', args: [...small, 'broken.jsonl'], says: ['broken.jsonl:2'] },
  {
    name: 'a model that is not there',
    args: ['train.jsonl', '--model', 'nowhere'],
    says: ['nowhere: no such file or folder'],
  },
  {
    name: 'nothing to resume',
    args: [...small, 'train.jsonl', '--resume-from-checkpoint'],
    says: ['no checkpoint in'],
  },
]
test.each(wrong)('$name: exit 2, nothing on stdout, nothing written', async ({ args, file, says }) => {
  if (file !== undefined) await writeFile(join(cwd, 'wrong.yaml'), file)
  const { code, stdout, stderr } = await run([...args, '--json', '--output-dir', 'nothing'])
  for (const text of says) expect(stderr).toContain(text)
  expect(stdout).toBe('')
  expect(code).toBe(2)
  expect(existsSync(join(cwd, 'nothing', 'adapter_model.safetensors'))).toBe(false)
})

test('on 4-bit weights; a run on others is not its continuation', async () => {
  const shared = [...small, '--data', 'train.jsonl', '--save-steps', '1', '--json']
  const args = [...shared, '--output-dir', 'quantised']
  const quantised = await run([...args, '--max-steps', '2', '--quantization', 'nf4'])
  expect(quantised.stderr).toBe('')
  expect(quantised.code).toBe(0)
  const losses = jsonLines(quantised.stdout).flatMap(({ type, loss }) => (type === 'step' ? [loss] : []))
  const plain = await run([...shared, '--max-steps', '2', '--output-dir', 'plain'])
  const others = jsonLines(plain.stdout).flatMap(({ type, loss }) => (type === 'step' ? [loss] : []))
  expect(losses).toHaveLength(2)
  expect(losses).not.toEqual(others)
  const resumed = await run([...args, '--max-steps', '2', '--resume-from-checkpoint'])
  expect(resumed.code).toBe(2)
  expect(resumed.stderr).toContain('quantization')
})

test('4-bit weights are not trained themselves', async () => {
  const { code, stderr } = await run([
    ...small.slice(0, -2),
    '--data',
    'train.jsonl',
    '--output-dir',
    'whole',
    '--quantization',
    'nf4',
    '--lora',
    'null',
  ])
  expect(stderr).toContain('nf4 weights without an adapter')
  expect(code).toBe(2)
})

test('an adapter keeps its own LoRA: other options beside it are refused, the same ones are not', async () => {
  const args = ['train.jsonl', ...small, ...steps, '--adapter', 'adapter', '--output-dir', 'further']
  const other = await run([
    ...args.map((value, i) => (args[i - 1] === '--lora-r' ? '32' : value)),
    '--lora-alpha',
    '9',
  ])
  expect(other.stderr).toContain(
    '--lora-r: 32, beside an adapter with r 2; expected what the adapter has, or nothing',
  )
  expect(other.stderr).toContain('--lora-alpha: 9, beside an adapter with lora_alpha 32')
  expect(other.code).toBe(2)
  expect(existsSync(join(cwd, 'further'))).toBe(false)
  const { code, stderr } = await run(args)
  expect(stderr).toBe('')
  expect(code).toBe(0)
})
