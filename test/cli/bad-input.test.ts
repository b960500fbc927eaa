import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cli, runCli } from './run-cli.ts'

const root = join(import.meta.dirname, '..', '..')
const tiny = join(root, 'assets', 'tiny-llama')

let cwd = ''
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'fettle-bad-'))
  await cp(tiny, join(cwd, 'model'), { recursive: true })
  const turn = (role: string, content: string) => ({ role, content })
  const good = { messages: [turn('user', 'Hello'), turn('assistant', 'Hi!')] }
  const files: Record<string, unknown[]> = {
    'good.jsonl': [good],
    'role.jsonl': [good, { messages: [turn('user', 'Hello'), turn('bot', 'Hi!')] }],
    'unlearned.jsonl': [{ messages: [turn('user', 'Hello')] }],
    'ids.jsonl': [{ input_ids: [1, 2, 999_999] }],
    'mixed.jsonl': [good, { text: 'Hello' }],
    'columns.jsonl': [{ frage: 'Hello', antwort: 'Hi!' }],
  }
  for (const [name, rows] of Object.entries(files))
    await writeFile(join(cwd, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  await writeFile(join(cwd, 'broken.jsonl'), `${JSON.stringify(good)}\n\n{"messages": [\n`)
  await writeFile(join(cwd, 'empty.jsonl'), '')
  await writeFile(join(cwd, 'utf16.jsonl'), JSON.stringify(good), 'utf16le')
  await writeFile(join(cwd, 'a-file'), '')
  await mkdir(join(cwd, 'folder.jsonl'))
  await writeFile(
    join(cwd, 'run.yaml'),
    'model: model\ndata: good.jsonl\nlearning_rat: 1.0e-4\nmax_steps: many\n',
  )

  const changed = async (folder: string, change: (config: Record<string, unknown>) => void) => {
    await cp(tiny, join(cwd, folder), { recursive: true })
    const path = join(cwd, folder, 'config.json')
    const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    change(config)
    await writeFile(path, JSON.stringify(config))
  }
  await changed('truncated', () => {})
  await truncate(join(cwd, 'truncated', 'model.safetensors'), 1_000_000)
  await changed('shape', (config) => (config['intermediate_size'] = 640))
  await changed('missing', (config) => (config['attention_bias'] = true))
  await changed('layers', (config) => (config['num_hidden_layers'] = 7))
  await changed('unknown', (config) => (config['model_type'] = 'mamba'))
  await changed('template', () => {})
  await writeFile(join(cwd, 'template', 'chat_template.jinja'), '{{ messages')
  await writeFile(join(cwd, 'open.jinja'), '{% for')
  await changed('untemplated', () => {})
  await rm(join(cwd, 'untemplated', 'chat_template.jinja'))
  await changed('stop', () => {})
  await writeFile(join(cwd, 'stop', 'generation_config.json'), '{"eos_token_id": "</s>"}')
})
afterAll(() => rm(cwd, { recursive: true, force: true }))

const train = (model: string, data: string, output = 'out') => [
  'train',
  '--model',
  model,
  '--data',
  data,
  '--output-dir',
  output,
]

/** Place, found, expected and cure of each, as the message has them. */
const cases: { name: string; args: string[]; says: RegExp[] }[] = [
  { name: 'a broken JSON line', args: train('model', 'broken.jsonl'), says: [/broken\.jsonl:3: /, /JSON/] },
  {
    name: 'an unknown role',
    args: train('model', 'role.jsonl'),
    says: [
      /role\.jsonl:2: role 'bot'; expected system, user, assistant or tool\. .*roles: \{ bot: assistant \}/,
    ],
  },
  {
    name: 'empty data',
    args: train('model', 'empty.jsonl'),
    says: [/empty\.jsonl: no rows; expected at least one/],
  },
  {
    name: 'no learned token',
    args: train('model', 'unlearned.jsonl'),
    says: [/unlearned\.jsonl: no token to learn.*; expected answers.*(?:fettle|cli\.mjs'?) inspect/s],
  },
  {
    name: 'ids of another tokenizer',
    args: train('model', 'ids.jsonl'),
    says: [/ids\.jsonl:1: .*999999/, /expected/],
  },
  {
    name: 'missing data',
    args: train('model', 'nowhere.jsonl'),
    says: [
      /nowhere\.jsonl: no such file or folder; expected a data file, a folder of them, .*\. Check the path/,
    ],
  },
  {
    name: 'a folder called as data',
    args: train('model', 'folder.jsonl'),
    says: [/folder\.jsonl: train: no files; expected \.jsonl, \.json, \.parquet/],
  },
  {
    name: 'a folder of data',
    args: train('model', '.'),
    says: [/broken\.jsonl:3: not JSON/],
  },
  {
    name: 'UTF-16 without a byte order mark',
    args: train('model', 'utf16.jsonl'),
    says: [/utf16\.jsonl:1: UTF-16; expected UTF-8\. Convert the file/],
  },
  {
    name: 'a row of another format',
    args: train('model', 'mixed.jsonl'),
    says: [/mixed\.jsonl:2: no messages among the columns text; expected messages, as in the first row\. /],
  },
  {
    name: 'columns of other names',
    args: train('model', 'columns.jsonl'),
    says: [
      /columns frage, antwort; .*--data '\{ path: columns\.jsonl, columns: \{ input: frage, output: antwort \} \}'/,
    ],
  },
  {
    name: 'a column that is not there',
    args: train('model', '{ path: columns.jsonl, columns: { input: frage, output: antwrt } }'),
    says: [/columns\.jsonl:1: no column antwrt; expected .*Did you mean columns: \{ output: antwort \}\?/],
  },
  {
    name: 'a file as model',
    args: train('model/config.json', 'good.jsonl'),
    says: [/model\/config\.json: the file config\.json; expected a model folder .*folder instead: model\./],
  },
  { name: 'a missing model', args: train('nowhere', 'good.jsonl'), says: [/nowhere/, /expected/] },
  {
    name: 'a truncated safetensors file',
    args: train('truncated', 'good.jsonl'),
    says: [/truncated\/model\.safetensors/, /download or save it again/],
  },
  {
    name: 'tensors of another shape',
    args: train('shape', 'good.jsonl'),
    says: [
      /tensor model\.layers\.0\.mlp\.gate_proj\.weight: shape \[512, 192\]; expected shape \[640, 192\]/,
    ],
  },
  {
    name: 'missing tensors',
    args: train('missing', 'good.jsonl'),
    says: [/tensor model\.layers\.0\..*bias: nothing; expected shape/],
  },
  {
    name: 'more layers than the weights have',
    args: train('layers', 'good.jsonl'),
    says: [
      /layers\/config\.json: num_hidden_layers: 7; expected at most 6, the layers that the weights have/,
    ],
  },
  {
    name: 'an unknown architecture',
    args: train('unknown', 'good.jsonl'),
    says: [/unknown\/config\.json: model_type "mamba"; expected llama, mistral, ministral3, mixtral/],
  },
  {
    name: "a mistake in the model's template",
    args: train('template', 'good.jsonl'),
    says: [/error template: chat template:1:1: a tag without its end/],
  },
  {
    name: "a mistake in the run's template",
    args: [...train('model', 'good.jsonl'), '--chat-template', 'open.jinja'],
    says: [/error open\.jinja: chat template:1:1: /],
  },
  {
    name: 'no template',
    args: train('untemplated', 'good.jsonl'),
    says: [/untemplated: no chat template; expected one, .*chat_template: chatml/],
  },
  {
    name: 'a stop token that is no id',
    args: ['generate', '--model', 'stop', 'Hi'],
    says: [/stop\/generation_config\.json: eos_token_id: "<\/s>"; expected the id of a token/],
  },
  {
    name: 'unknown and wrong run-file keys, together',
    args: ['train', 'run.yaml', '--output-dir', 'out'],
    says: [/run\.yaml:3: .*learning_rat.*learning_rate/, /run\.yaml:4: .*max_steps/],
  },
]

describe('bad input: exit 2, a message that helps, nothing written', () => {
  test.each(cases)('$name', async ({ args, says }) => {
    const { code, stdout, stderr } = await runCli([...args, '--json'], { cwd })
    for (const pattern of says) expect(stderr).toMatch(pattern)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(existsSync(join(cwd, 'out'))).toBe(false)
  })
})

test.each(['', '\uFEFF', '\n'])('standard input that holds %j', async (input) => {
  const { code, stderr } = await runCli(['inspect', '-', '--model', 'model'], { cwd, input })
  expect(stderr).toMatch(/^error -: no rows; expected at least one/)
  expect(code).toBe(2)
})

test.skipIf(process.platform !== 'linux')(
  'an argument that is not UTF-8 is not said to be another one',
  async () => {
    const command = `printf 'bad\\xff.jsonl' | xargs "${process.execPath}" "${join(root, 'dist', 'cli.mjs')}" inspect --model model`
    const child = spawn('bash', ['-c', command], { cwd })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdout.resume()
    await new Promise((resolve) => child.on('close', resolve))
    expect(stderr).toMatch(/no such file or folder.*\nAn argument has bytes that are not UTF-8/)
  },
)

test.skipIf(process.platform === 'win32')('an output that is a link to nothing', async () => {
  await symlink('/nowhere/at/all', join(cwd, 'link'))
  const { code, stderr } = await runCli(train('model', 'good.jsonl', 'link'), { cwd })
  expect(stderr).toContain('error link: a link to /nowhere/at/all, which is not there; expected a folder')
  expect(code).toBe(1)
})

test.each([
  { output: 'a-file', says: /a-file: cannot be written .*A file has this name/ },
  { output: 'a-file/run', says: /a-file\/run: cannot be written .*A part of the path is a file/ },
  {
    output: '/proc/fettle/run',
    says: /\/proc\/fettle\/run: cannot be written .*choose another output folder/,
  },
])('no folder can be made at $output: exit 1 before the first step', async ({ output, says }) => {
  const { code, stdout, stderr } = await runCli([...train('model', 'good.jsonl', output), '--json'], { cwd })
  expect(stderr).toMatch(says)
  expect(stdout).toBe('')
  expect(code).toBe(1)
})

test('a full disk: exit 1, the path is named, and no half-written file is left', async () => {
  // Files beyond 40 blocks of 1,024 bytes cannot be written: the adapter is larger.
  const command = `ulimit -f 40; exec "${process.execPath}" "${join(root, 'dist', 'cli.mjs')}" "$@"`
  const args = [...train('model', 'good.jsonl', 'full'), '--max-steps', '1', '--json']
  const child = spawn('bash', ['-c', command, 'fettle', ...args], { cwd })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout.resume()
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(stderr).toMatch(
    /full\/.*(adapter_model\.safetensors|tokenizer\.json): .*; expected room for [\d.]+ [kM]B\./,
  )
  expect(code).toBe(1)
  const left = await readdir(join(cwd, 'full'), { recursive: true })
  expect(left.filter((name) => name.includes('adapter_model') || name.endsWith('.tmp'))).toEqual([])
})

describe('where few files may be open', () => {
  /** What is said, on a Linux process that is started with so many. */
  const limited = (files: number): Promise<{ code: number | null; said: string }> =>
    new Promise((done, fail) => {
      const command = `ulimit -n ${files}; exec "$0" "$@"`
      const args = [cli, 'inspect', join(root, 'assets', 'demo.jsonl'), '--model', tiny]
      const child = spawn('sh', ['-c', command, process.execPath, ...args], { cwd })
      let said = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (text: Buffer) => (said += String(text)))
      child.on('error', fail)
      child.on('close', (code) => done({ code, said }))
    })

  test.each([20, 22, 24, 28, 32, 36])('%i: the limit and its cure are said', async (files) => {
    const { code, said } = await limited(files)
    expect(said).toMatch(
      /too many open files: about a hundred are needed\. Raise the limit \(ulimit -n 1024\)/,
    )
    expect(said).not.toMatch(/node:internal|fault in fettle|EMFILE/)
    expect(code).toBe(1)
  })

  test('100 are enough', async () => {
    expect((await limited(100)).code).toBe(0)
  })
})
