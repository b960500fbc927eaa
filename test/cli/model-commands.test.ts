import { existsSync, readdirSync } from 'node:fs'
import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { roundThrough } from '../../src/engine/quantization.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { readTensors } from '../model/golden.ts'
import { jsonLines, runCli, startCli } from './run-cli.ts'
import { makeWorkplace } from './tiny-model.ts'

let cwd: string
beforeAll(async () => {
  cwd = await makeWorkplace()
})
afterAll(() => rm(cwd, { recursive: true }))

const run = (args: readonly string[], input = '') => runCli(args, { cwd, input })
const model = ['--model', 'model', '--engine', 'reference']
const short = ['--max-new-tokens', '5']

describe('generate', () => {
  test('--json prints text, tokens and the reason, and nothing else', async () => {
    const { code, stdout, stderr } = await run(['generate', ...model, ...short, '--json', 'What is the sea?'])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const [answer, ...rest] = jsonLines(stdout)
    expect(rest).toEqual([])
    expect(Object.keys(answer)).toEqual(['text', 'token_ids', 'finish_reason'])
    expect(answer['finish_reason']).toBe('length')
    expect(answer['token_ids']).toHaveLength(5)
  })

  test('what is streamed is what --json says', async () => {
    const [answer] = jsonLines((await run(['generate', ...model, ...short, '--json', 'Hello'])).stdout)
    expect((await run(['generate', ...model, ...short, 'Hello'])).stdout).toBe(`${String(answer['text'])}\n`)
  })

  test('guesses change nothing but the time, also for a file of prompts', async () => {
    const args = ['generate', ...model, '--max-new-tokens', '20', '--json', '--input', '-']
    const prompts = '{"prompt":"one two three one two"}\n{"prompt":"one one one"}\n'
    const { code, stdout } = await run([...args, '--prompt-lookup-num-tokens', '4'], prompts)
    expect(code).toBe(0)
    expect(stdout).toBe((await run(args, prompts)).stdout)
  })

  test('an assistant changes nothing but the time', async () => {
    const args = ['generate', ...model, '--max-new-tokens', '12', '--json', 'Hello']
    const assisted = await run([...args, '--assistant-model', 'model', '--assistant-quantization', 'nf4'])
    expect(assisted.code).toBe(0)
    expect(assisted.stdout).toBe((await run(args)).stdout)
  })

  test('an assistant with other tokens is refused', async () => {
    const other = join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama')
    const { code, stderr } = await run(['generate', ...model, '--assistant-model', other, 'Hello'])
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /--assistant-model .*tiny-llama: token \d+ is .*; expected .*, as in the model's tokenizer/,
    )
  })

  test('a pipe is a prompt like an argument', async () => {
    const args = ['generate', ...model, ...short, '--json']
    expect((await run(args, 'Hello\n')).stdout).toBe((await run([...args, 'Hello'])).stdout)
  })

  test('rows of a pipe are answered in order, and alike in any batch', async () => {
    const rows = [
      '{"messages":[{"role":"user","content":"Hello"}]}',
      '{"prompt":"Once upon a time"}',
      '{"prompt":"The"}',
    ]
    const args = ['generate', ...model, ...short, '--json']
    const together = (await run(args, rows.join('\n'))).stdout
    expect(jsonLines(together)).toHaveLength(3)
    expect((await run([...args, '--batch-size', '1'], rows.join('\n'))).stdout).toBe(together)
    expect(together.split('\n')[0]).toBe((await run([...args, 'Hello'])).stdout.trimEnd())
    expect(together.split('\n')[2]).toBe((await run([...args, '--raw', 'The'])).stdout.trimEnd())
  })

  test('a training row is asked without its last answer', async () => {
    const { stdout } = await run(['generate', ...model, ...short, '--json', '--input', 'train.jsonl'])
    expect(jsonLines(stdout)).toHaveLength(2)
    const asked = await run(['generate', ...model, ...short, '--json', 'What is the sea?'])
    expect(stdout.split('\n')[0]).toBe(asked.stdout.trimEnd())
  })

  test('a seed makes sampling repeatable; temperature 0 is greedy', async () => {
    const sample = async (...flags: string[]) =>
      (await run(['generate', ...model, ...short, '--json', ...flags, 'Hello'])).stdout
    expect(await sample('--temperature', '2', '--seed', '5')).toBe(
      await sample('--temperature', '2', '--seed', '5'),
    )
    expect(await sample('--temperature', '2', '--seed', '5')).not.toBe(
      await sample('--temperature', '2', '--seed', '6'),
    )
    expect(await sample('--temperature', '0')).toBe(await sample())
  })

  test('--stop ends an answer before a text, streamed or not', async () => {
    const [whole] = jsonLines((await run(['generate', ...model, ...short, '--json', 'Hello'])).stdout)
    const text = String(whole['text'])
    const args = ['generate', ...model, ...short, '--stop', 'never said', '--stop', text.slice(2, 4), 'Hello']
    const [answer] = jsonLines((await run([...args, '--json'])).stdout)
    expect(answer).toMatchObject({
      text: text.slice(0, text.indexOf(text.slice(2, 4))),
      finish_reason: 'stop',
    })
    expect((await run(args)).stdout).toBe(`${String(answer['text'])}\n`)
  })

  test('generation_config.json is obeyed, or what is not is named', async () => {
    const folder = join(cwd, 'configured')
    await cp(join(cwd, 'model'), folder, { recursive: true })
    const answer = async (config: object, ...flags: string[]) => {
      await writeFile(join(folder, 'generation_config.json'), JSON.stringify(config))
      return run(['generate', '--model', 'configured', '--engine', 'reference', '--json', ...flags, 'Hello'])
    }
    const ids = ({ stdout }: { stdout: string }) => jsonLines(stdout)[0]['token_ids'] as number[]
    expect(ids(await answer({ max_new_tokens: 3 }))).toHaveLength(3)
    expect(ids(await answer({ max_new_tokens: 3 }, '--max-new-tokens', '2'))).toHaveLength(2)
    expect(ids(await answer({ max_new_tokens: 6, suppress_tokens: [1] }))).toHaveLength(6)
    const refused = await answer({ num_beams: 4 })
    expect(refused.stderr).toContain(
      'generation_config.json: num_beams: 4; expected 1: fettle has no beam search',
    )
    expect(refused.code).toBe(2)
    const ignored = await answer({ num_beams: 4, max_new_tokens: 3 }, '--ignore-generation-config', ...short)
    expect(ids(ignored)).toHaveLength(5)
  })

  test('draws belong to the row of a file, whatever the batch size', async () => {
    const rows = Array.from({ length: 7 }, () => '{"prompt":"Hello"}').join('\n')
    const args = [
      'generate',
      ...model,
      ...short,
      '--json',
      '--temperature',
      '3',
      '--top-k',
      '0',
      '--seed',
      '1',
    ]
    const together = (await run(args, rows)).stdout
    expect(new Set(jsonLines(together).map(({ token_ids: ids }) => String(ids))).size).toBe(7)
    for (const size of ['1', '3'])
      expect((await run([...args, '--batch-size', size], rows)).stdout).toBe(together)
  })

  test('weights in 8 or 4 bits', async () => {
    const ask = (type: string) =>
      run(['generate', ...model, ...short, '--json', '--quantization', type, 'Hello'])
    for (const type of ['int8', 'nf4', 'fp4']) {
      const { code, stdout, stderr } = await ask(type)
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expect(jsonLines(stdout)[0]['token_ids']).toHaveLength(5)
    }
    const wrong = await ask('int4')
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('--quantization')
  })

  test('an adapter changes the answer and knows its model', async () => {
    const base = await run(['generate', ...model, ...short, '--json', 'Hello'])
    const adapted = await run(['generate', ...model, ...short, '--json', '--adapter', 'adapter', 'Hello'])
    const found = await run([
      'generate',
      '--engine',
      'reference',
      ...short,
      '--json',
      '--adapter',
      'adapter',
      'Hello',
    ])
    expect(adapted.stdout).not.toBe(base.stdout)
    expect(found.stdout).toBe(adapted.stdout)
  })

  const wrong: { name: string; args: string[]; input?: string; says: string }[] = [
    { name: 'an empty pipe', args: [], says: 'stdin: no text; expected a prompt' },
    { name: 'a broken row', args: [], input: '{"prompt":"a"}\n{"prompt":', says: 'stdin:2: ' },
    {
      name: 'a row without a prompt',
      args: [],
      input: '{"question":"a"}',
      says: 'stdin:1: neither messages nor prompt',
    },
    {
      name: 'a setting that is none',
      args: ['--top-p', '2', 'Hello'],
      says: '--top-p: 2; expected a number from 0 to 1',
    },
    { name: 'a prompt without room', args: ['--raw', 'word '.repeat(400)], says: 'expected at most 128' },
    {
      name: 'a file that is not there',
      args: ['--input', 'nowhere.jsonl'],
      says: 'nowhere.jsonl: no such file or folder',
    },
  ]
  test.each(wrong)('$name: exit 2', async ({ args, input, says }) => {
    const { code, stdout, stderr } = await run(['generate', ...model, ...args], input)
    expect(stderr).toContain(says)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  test('a reader that goes away is no error', async () => {
    const child = startCli(['generate', ...model, '--max-new-tokens', '100', 'Hello'], { cwd })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdout.destroy()
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })
})

describe('chat', () => {
  test('answers each line of a pipe, remembers, forgets on /reset and leaves on /exit', async () => {
    const said = ['Hello', 'Bye', '/reset', 'Hello', '/exit', 'Never said'].join('\n')
    const { code, stdout } = await run(['chat', ...model, ...short, '--json'], said)
    expect(code).toBe(0)
    const answers = jsonLines(stdout)
    expect(answers).toHaveLength(3)
    expect(answers[2]).toEqual(answers[0])
    // The second answer is what a model makes of the whole history.
    const history = [
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: answers[0]['text'] },
      { role: 'user', content: 'Bye' },
    ]
    const fresh = await run(['generate', ...model, ...short, '--json'], JSON.stringify({ messages: history }))
    expect(jsonLines(fresh.stdout)).toEqual([answers[1]])
  })

  test('a line that is one word behind a slash is no question: unknown ones are refused', async () => {
    const { code, stdout, stderr } = await run(['chat', ...model, ...short, '--json'], '/rest\n')
    expect(stderr).toMatch(/\/rest: no such command; expected \/help, .*\. Did you mean \/reset\?/)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    const asked = await run(['chat', ...model, ...short, '--json'], ' /rest\n/rest assured\n')
    expect(jsonLines(asked.stdout)).toHaveLength(2)
  })

  test('commands set how answers are chosen, switch the adapter, and tell of tokens and of stopping', async () => {
    const said = ['/set max_new_tokens 3', 'Hello', '/tokens', '/stop', '/adapter off', '/system Be brief.']
    const { code, stdout, stderr } = await run(
      ['chat', ...model, '--adapter', 'adapter', ...short, '--json'],
      [...said, '/system', 'Hello', '/adapter on', '/set'].join('\n'),
    )
    expect(code).toBe(0)
    const answers = jsonLines(stdout)
    expect(answers).toHaveLength(2)
    for (const { token_ids: ids } of answers) expect((ids as number[]).length).toBeLessThanOrEqual(3)
    expect(stderr.split('\n').filter((line) => !line.startsWith('note'))).toEqual([
      'max_new_tokens 3',
      expect.stringMatching(/^\d+ of 128 tokens$/),
      expect.stringMatching(/^the last answer, [1-3]:$/),
      expect.stringMatching(/│/),
      expect.stringMatching(/^P\(stop\) where the last answer ended: \d+\.\d%$/),
      expect.stringMatching(/^before that at most \d+\.\d%, (at its beginning|behind ".*")$/),
      'Answers come from the model without its adapter.',
      'The conversation starts anew.',
      'Be brief.',
      'Answers come with the adapter.',
      expect.stringMatching(/^max_new_tokens 3/),
      ...(stderr.includes('do_sample') ? [expect.anything()] : []),
      '',
    ])
  })

  test('Ctrl-C leaves when no answer is under way', async () => {
    const child = startCli(['chat', ...model, ...short, '--json'], { cwd })
    child.stdin.write('Hello\n')
    // The answer is there; the next message is not.
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGINT'), 200))
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
  })

  test('forgets the earliest turns when the context is full', async () => {
    const { code, stdout, stderr } = await run(
      ['chat', ...model, ...short, '--json', '--context', '60'],
      'One, two, three\nFour, five, six\nSeven, eight, nine\n',
    )
    expect(code).toBe(0)
    expect(jsonLines(stdout)).toHaveLength(3)
    expect(stderr).toContain('early messages no longer fit')
  })

  const wrong = [
    { name: 'a message without room', args: ['--context', '4'], says: 'message: ' },
    {
      name: 'more context than the model has',
      args: ['--context', '500'],
      says: '--context: 500; expected a whole number from 2 to 128',
    },
  ]
  test.each(wrong)('$name: exit 2', async ({ args, says }) => {
    const { code, stderr } = await run(['chat', ...model, ...args], 'Hello there\n')
    expect(stderr).toContain(says)
    expect(code).toBe(2)
  })
})

describe('merge', () => {
  test('writes a model that says what the adapter said', async () => {
    const adapter = [...model, '--adapter', 'adapter']
    const { code, stdout } = await run(['merge', ...adapter, '--output-dir', 'merged', '--json'])
    expect(code).toBe(0)
    const [merged] = jsonLines(stdout)
    expect(merged).toMatchObject({ path: 'merged', dtype: 'float32' })
    expect(readdirSync(join(cwd, 'merged'))).toEqual(
      expect.arrayContaining([
        'config.json',
        'generation_config.json',
        'model.safetensors',
        'tokenizer.json',
        'chat_template.jinja',
      ]),
    )
    const live = await run(['generate', ...adapter, ...short, '--json', 'Hello'])
    const own = await run([
      'generate',
      '--model',
      'merged',
      '--engine',
      'reference',
      ...short,
      '--json',
      'Hello',
    ])
    expect(own.stdout).toBe(live.stdout)
    const loaded = await AutoModelForCausalLM.fromPretrained(join(cwd, 'merged'), { engine: 'reference' })
    expect(loaded.dtype).toBe('float32')
  })

  test.each(['./merged-here', 'merged-below/'])('names its files within %s', async (output) => {
    const { stdout } = await run([
      'merge',
      ...model,
      '--adapter',
      'adapter',
      '--output-dir',
      output,
      '--json',
    ])
    expect(jsonLines(stdout)[0]).toMatchObject({
      path: output,
      files: expect.arrayContaining(['config.json', 'model.safetensors']) as unknown,
    })
  })

  test('into the weights as stored, or into those that quantising leaves', async () => {
    const weights = async (...flags: string[]) => {
      const output = join(cwd, `merged-${flags.join('')}`)
      const args = ['merge', ...model, '--adapter', 'adapter', '--output', output, ...flags]
      expect((await run(args)).code).toBe(0)
      return readTensors(join(output, 'model.safetensors'))
    }
    const stored = await readTensors(join(cwd, 'model', 'model.safetensors'))
    // In several files above a size.
    const shards = join(cwd, 'merged-shards')
    const sharded = await run([
      'merge',
      ...model,
      '--adapter',
      'adapter',
      '--output',
      shards,
      '--max-shard-size',
      '40kB',
    ])
    expect(sharded.code).toBe(0)
    expect(existsSync(join(shards, 'model.safetensors.index.json'))).toBe(true)
    // The adapter changes q and v only.
    const name = 'model.layers.1.mlp.down_proj.weight'
    const before = await stored.floats(name)
    expect(await (await weights()).floats(name)).toEqual(before)
    expect(await (await weights('--quantization', 'nf4')).floats(name)).toEqual(
      roundThrough(before, 64, 'nf4'),
    )
  })

  const wrong = [
    {
      name: 'into the model',
      output: 'model',
      says: '--output-dir: model: what is read; expected another path',
    },
    {
      name: 'over other files',
      output: '.',
      says: '--output-dir: .: a folder with files in it; expected a new or empty folder. Choose another',
    },
  ]
  test.each(wrong)('not $name', async ({ output, says }) => {
    const { code, stderr } = await run(['merge', ...model, '--adapter', 'adapter', '--output', output])
    expect(stderr).toContain(says)
    expect(code).toBe(2)
    expect(existsSync(join(cwd, 'config.json'))).toBe(false)
  })
})
