import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  AutoTokenizer,
  findLearnedSpans,
  inspect,
  parseChatTemplate,
  type Message,
} from '../../../src/index.ts'
import { readRunOptions, runFileLayer } from '../../../src/train/index.ts'
import { mutateBytes } from '../mutate/bytes.ts'
import { mutateJson } from '../mutate/json.ts'
import type { Random } from '../mutate/random.ts'
import { mutateText } from '../mutate/text.ts'
import type { Target } from '../target.ts'
import { digest, fixture, tinyModel } from './seeds.ts'
import { readdirSync } from 'node:fs'

const jinjaWords =
  '{{ }} {% %} {%- -%} {# #} for endfor if elif else endif set macro endmacro in is not and or loop.index0 loop.last range namespace messages message content role tools bos_token eos_token raise_exception strftime_now tojson trim join length upper title replace split items map selectattr select list sort unique batch slice groupby indent wordwrap truncate int float string defined none string mapping iterable 0 1 -1 1e9 99999999999999999999 ~ + * ** // % | . [ ] ( ) " \' , : = == generation endgeneration break continue call filter do with recursive joiner cycler dict center format urlencode first last max min sum reverse random safe escape'.split(
    ' ',
  )

const chat: Message[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'What is 2 + 2?' },
  { role: 'assistant', content: 'It is 4.' },
  { role: 'user', content: 'And 3 + 3?' },
  { role: 'assistant', content: '6' },
]
const specialTokens = ['<s>', '</s>', '<|im_start|>', '<|im_end|>', '<|eot_id|>']

export const template: Target = {
  name: 'template',
  async open() {
    const folder = fixture('chat-templates')
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.jinja'))
      .toSorted()
      .map((name) => readFileSync(join(folder, name), 'utf8'))
    return {
      async run(random) {
        const parsed = parseChatTemplate(mutateText(random, random.of(sources), jinjaWords))
        const settings = { bosToken: '<s>', eosToken: '</s>' }
        const { text } = parsed.render({ messages: chat, addGenerationPrompt: true, ...settings })
        const spans = findLearnedSpans(parsed, { messages: chat }, { ...settings, specialTokens })
        return digest(text, JSON.stringify(spans))
      },
    }
  },
}

const seedRows = [
  { messages: chat },
  {
    messages: [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a', weight: 0, train: false },
    ],
    tools: [],
  },
  {
    conversations: [
      { from: 'human', value: 'hi' },
      { from: 'gpt', value: 'ho' },
    ],
    system: 's',
  },
  { prompt: 'a', completion: ' b' },
  { prompt: [{ role: 'user', content: 'a' }], completion: [{ role: 'assistant', content: 'b' }] },
  { instruction: 'Do it', input: '', output: 'done', history: [['a', 'b']] },
  { text: 'plain text' },
  { input_ids: [1, 2, 3], labels: [-100, 2, 3], attention_mask: [1, 1, 1] },
  {
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'w?' }] },
      {
        role: 'assistant',
        content: '',
        tool_calls: [
          { id: 'c', type: 'function', function: { name: 'f', arguments: '{"n": 12345678901234567890}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'c', content: '1' },
      { role: 'assistant', content: 'one' },
    ],
    tools: [
      {
        type: 'function',
        function: { name: 'f', parameters: { type: 'object', properties: { n: { type: 'integer' } } } },
      },
    ],
  },
].map((row) => JSON.stringify(row))

export const rows: Target = {
  name: 'rows',
  async open(folder) {
    const tokenizer = await AutoTokenizer.fromPretrained(tinyModel)
    return {
      async run(random) {
        const seed = random.of(seedRows)
        const lines = [seed, mutateRow(random, seed), seed]
        const path = join(folder, random.of(['rows.jsonl', 'rows.json']))
        await writeFile(path, Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')])))
        const seen: string[] = []
        for await (const example of inspect([path], tokenizer))
          seen.push(JSON.stringify([example.inputIds, example.mask]))
        return digest(...seen)
      },
    }
  },
}

function mutateRow(random: Random, row: string): string | Uint8Array {
  return random.next() < 0.15 ? mutateBytes(random, Buffer.from(row), row.length) : mutateJson(random, row)
}

const runFile = `model: path/to/model
data: [{ path: train.jsonl, format: auto, columns: { input: question, output: answer }, roles: { bot: assistant } }]
eval_data:
  - path: eval.jsonl
output_dir: runs/first
lora: { r: 16, lora_alpha: 32, lora_dropout: 0.0, target_modules: all-linear, bias: none }
adapter: null
dtype: auto
quantization: null
max_length: 1024
packing: true
per_device_train_batch_size: 4
num_train_epochs: 1
learning_rate: 2.0e-4   # the usual one
lr_scheduler_type: cosine
warmup_steps: 10
seed: 42
chat_template: |
  {{ messages }}
save_steps: 50
`
const yamlWords =
  '*a &a !!binary !!js/function << null ~ yes .inf .nan 0x10 0o7 1e999 -1 - -- : ? | > " \' [ ] { } # % @ ` --- ... constructor __proto__ toString model lora r data path \t 12:30:45 2001-01-01 1_000 true "" {} []'.split(
    ' ',
  )

export const runFiles: Target = {
  name: 'run-file',
  async open() {
    return {
      async run(random) {
        const text =
          random.next() < 0.15
            ? Buffer.from(mutateBytes(random, Buffer.from(runFile), runFile.length)).toString()
            : mutateText(random, runFile, yamlWords)
        return JSON.stringify(readRunOptions([runFileLayer(text, 'run.yaml')]))
      },
    }
  },
}
