import { join } from 'node:path'
import type { CheckName, DiagnoseInput } from '../../src/doctor/index.ts'
import {
  adapterOf,
  chat,
  dataOf,
  fixtures,
  folderOf,
  goodRows,
  machine,
  modelConfig,
  modelOf,
  runOf,
  tokenizerOf,
  write,
} from './patients.ts'

/** A case in which a check speaks, and the one most like it in which it is silent. */
export interface CheckCase {
  fires: () => Promise<DiagnoseInput>
  /** Part of what it says. */
  says: string | RegExp
  silent: () => Promise<DiagnoseInput>
}

const good = async (): Promise<DiagnoseInput> => ({ model: await modelOf(), data: [dataOf(goodRows)] })
const withModel =
  (changes: Parameters<typeof modelOf>[0], rows?: readonly unknown[]) =>
  async (): Promise<DiagnoseInput> => ({
    model: await modelOf(changes),
    ...(rows && { data: [dataOf(rows)] }),
  })
const withRows = (rows: readonly unknown[]) => withModel({}, rows)
const withRun =
  (text: string, rows: readonly unknown[] = goodRows, model: Parameters<typeof modelOf>[0] = {}) =>
  async (): Promise<DiagnoseInput> => ({
    run: runOf(`model: ${await modelOf(model)}\ndata: [${dataOf(rows)}]\n${text}`),
  })
const finishedBy =
  (
    readme: string,
    changes: Parameters<typeof adapterOf>[1] = {},
    model: Parameters<typeof modelOf>[0] = {},
  ) =>
  async (): Promise<DiagnoseInput> => {
    const folder = await adapterOf(await modelOf(model), changes)
    return { run: write(folder, { 'README.md': readme, 'trainer_state.json': { log_history: [] } }) }
  }

/** The words that the fixture's tokenizer knows best do not matter: bytes are tokens too. */
const long = 'word '.repeat(200)
const chatml = "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
/** As gpt-oss does it: what parts thinking from the answer also ends all turns but the last. */
const endsLast =
  "{% for m in messages %}<{{ m['role'] }}>{% if m['thinking'] %}{{ m['thinking'] }}<|endoftext|>{% endif %}{{ m['content'] }}{% if loop.last %}<|im_end|>{% else %}<|endoftext|>{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
const loop = (body: string) => `{% for m in messages %}${body}{% endfor %}`

export const cases: Record<CheckName, CheckCase> = {
  readable: {
    fires: withRows([{ question: 'a', answer: 'b' }]),
    says: 'columns question, answer',
    silent: good,
  },
  'template-missing': {
    fires: withModel({ tokenizer: { template: null } }, goodRows),
    says: '2 conversations to render',
    silent: withModel({ tokenizer: { template: null } }, [{ text: 'plain text needs none' }]),
  },
  'stop-token-in-template': {
    fires: withModel({ tokenizer: { template: loop("{{ m['role'] }}: {{ m['content'] }}\n") } }),
    says: 'no stop token behind an answer',
    silent: withModel({ tokenizer: { template: loop(chatml) } }),
  },
  'stop-token-learned': {
    fires: withRows([{ input_ids: [70, 71, 72, 73, 599], labels: [-100, -100, 72, 73, -100] }]),
    says: 'masked behind 1 answer of 1',
    silent: withRows([{ input_ids: [70, 71, 72, 73, 599], labels: [-100, -100, 72, 73, 599] }]),
  },
  'stop-token-in-generation-config': {
    fires: withModel({ generation: { eos_token_id: 597 } }),
    says: 'stops at <|endoftext|>, and the template ends turns with <|im_end|>',
    silent: withModel({ generation: { eos_token_id: [597, 599] } }),
  },
  'stop-token-disagreement': {
    fires: withModel({ config: { eos_token_id: 597 } }),
    says: "eos is <|endoftext|>, and the tokenizer's is <|im_end|>",
    silent: withModel({ config: { eos_token_id: [597, 599] } }),
  },
  'two-end-tokens': {
    fires: withModel({ tokenizer: { config: { eos_token: '<|endoftext|>', pad_token: '<|im_start|>' } } }),
    says: 'turns end in <|im_end|>',
    silent: good,
  },
  'pad-equals-eos': {
    fires: finishedBy('made with unsloth', { tokenizer: { config: { pad_token: '<|im_end|>' } } }),
    says: /^error .*the pad token is <\|im_end\|>, which is eos/,
    silent: finishedBy('made with unsloth', { tokenizer: {} }),
  },
  'pad-token-missing': {
    fires: withModel({ tokenizer: { config: { pad_token: undefined } } }),
    says: 'no pad token',
    silent: good,
  },
  'double-bos': {
    fires: withModel({ tokenizer: { config: { bos_token: '<|endoftext|>' } } }, [
      { input_ids: [597, 597, 70, 71, 599] },
    ]),
    says: '1 row begins with two bos tokens',
    silent: withModel({ tokenizer: { config: { bos_token: '<|endoftext|>' } } }, [
      { input_ids: [597, 70, 71, 599] },
    ]),
  },
  'weights-not-finite': {
    fires: withModel({ scaledRows: { 300: Number.NaN } }),
    says: /weights are NaN or infinite, in 1 tensor/,
    silent: withModel({ scaledRows: { 300: 2 } }),
  },
  'embedding-size': {
    fires: withModel({ tokenizer: { config: { additional_special_tokens: ['<|new|>'] } } }),
    says: 'has 600 rows and the tokenizer',
    silent: withModel({
      config: { vocab_size: 640 },
      tokenizer: { config: { additional_special_tokens: ['<|new|>'] } },
    }),
  },
  'new-token-rows': {
    fires: withModel({ scaledRows: { 598: 0, 599: 1e-4 } }),
    says: /never trained.*<\|im_end\|> <\|im_start\|>/,
    silent: withModel({ scaledRows: { 597: 0, 598: 0.5 } }),
  },
  'template-loses-messages': {
    fires: withModel(
      { tokenizer: { template: loop(`{% if m['role'] != 'system' %}${chatml}{% endif %}`) } },
      [{ messages: [{ role: 'system', content: 'Be kind.' }, ...goodRows[0].messages] }],
    ),
    says: 'leaves out',
    silent: withRows([{ messages: [{ role: 'system', content: 'Be kind.' }, ...goodRows[0].messages] }]),
  },
  'span-borders': {
    fires: withModel({ tokenizer: { template: loop("{{ m['role'] }}: {{ m['content'] }}\n") } }, goodRows),
    says: '2 answers of 2 without a stop token',
    silent: good,
  },
  'nothing-to-learn': {
    fires: withRows([...goodRows, { messages: [{ role: 'user', content: 'Nobody answers.' }] }]),
    says: '1 row of 3 with nothing to learn',
    silent: good,
  },
  truncation: {
    fires: withRun('max_length: 100', [...goodRows, chat('Long?', long)]),
    says: /max_length 100 cuts 1 row: of \d+ tokens \d+ are kept and \d+ dropped, .* 1 of 3 answers without stop token/,
    silent: withRun('max_length: 100'),
  },
  'position-limit': {
    fires: withRun('max_length: 2048'),
    says: '2048, and the model has 128 positions',
    silent: withRun('max_length: 128'),
  },
  'empty-answers': {
    fires: withRows([...goodRows, chat('Well?', '  \n')]),
    says: '1 answer of 3 is empty',
    silent: withRows([
      ...goodRows,
      {
        messages: [
          { role: 'user', content: 'Call!' },
          { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: {} } }] },
        ],
      },
    ]),
  },
  duplicates: {
    fires: async () => ({ data: [dataOf(goodRows)], evalData: [dataOf([goodRows[1]], 'eval.jsonl')] }),
    says: '1 row of 1 for evaluation is in the training data',
    silent: async () => ({
      data: [dataOf(goodRows)],
      evalData: [dataOf([chat('Another?', 'Yes, another.')], 'eval.jsonl')],
    }),
  },
  'text-encoding': {
    fires: withRows([chat('CafÃ© or tea?', 'Itâ€™s tea.')]),
    says: '1 row with characters that were decoded wrongly',
    silent: withRows([chat('Café or tea, señor?', 'It’s tea — “Ä” 😀 Ã Â.')]),
  },
  'target-modules': {
    fires: withRun('lora: { target_modules: [q_proj, c_attn] }'),
    says: 'c_attn',
    silent: withRun('lora: { target_modules: [q_proj, down_proj] }'),
  },
  'adapter-matches-base': {
    fires: async () => ({
      adapter: await adapterOf(await modelOf(), { tokenizer: { template: loop(chatml) } }),
    }),
    says: "another chat template than the base model's",
    silent: async () => ({ adapter: await adapterOf(await modelOf(), { tokenizer: {} }) }),
  },
  'served-where': {
    fires: withRun('lora: { r: 24, modules_to_save: [embed_tokens] }'),
    says: /^note .*: an adapter that 0 programs serve as it is, and vLLM, llama.cpp, Ollama, Transformers.js only merged\nmerged: modules_to_save: embed_tokens\n/,
    silent: withRun('lora: null'),
  },
  hyperparameters: {
    fires: withRun('learning_rate: 0.05'),
    says: /^error .*0\.05 with LoRA/,
    silent: withRun('learning_rate: 2.0e-4\nlora: { r: 8, lora_alpha: 16 }'),
  },
  dtype: {
    fires: async () => ({
      run: runOf(
        `base_model: ${await modelOf({ config: { dtype: 'bfloat16' } })}\nfp16: true\nlearning_rate: 1e-4`,
      ),
    }),
    says: 'float16, for weights stored in bfloat16',
    silent: withRun('dtype: bfloat16'),
  },
  memory: {
    fires: async () => ({ model: await modelOf(), machine: { ...machine, memoryBytes: 100e6 } }),
    says: 'needed, and there are 0.1 GiB',
    // Kept, the activations of such a row would take 4.7 GB; training computes most of them again.
    silent: async () => ({
      ...(await withRun('lora: { r: 4 }\nmax_length: 8000000')()),
      machine: { ...machine, memoryBytes: 1.5e9 },
    }),
  },
  'padding-side': {
    fires: withModel({ tokenizer: { config: { padding_side: 'right' } } }),
    says: 'padding_side "right"',
    silent: withModel({ tokenizer: { config: { padding_side: 'left' } } }),
  },
}

/** A model and data in which nothing at all is to be found. */
export const healthy = good

/** More situations of the same checks. */
export const furtherCases: [string, CheckName, () => Promise<DiagnoseInput>, string | RegExp][] = [
  ['a path that is nothing', 'readable', async () => ({ paths: ['/no/such/path'] }), '/no/such/path'],
  [
    'a broken configuration',
    'readable',
    async () => ({ paths: [folderOf({ 'config.json': '{"model_type":' })] }),
    'config.json',
  ],
  [
    'what loading refuses',
    'readable',
    withModel({ config: { hidden_act: 'mish' } }),
    /^error .*hidden_act: "mish"/,
  ],
  [
    'layers that the weights have not',
    'readable',
    withModel({ config: { num_hidden_layers: 2 } }),
    /^error .*num_hidden_layers: 2; expected at most 1/,
  ],
  [
    'keys that nothing reads',
    'readable',
    withModel({ config: { my_key: 1 } }),
    /^note .*does not read: my_key/,
  ],
  ['an unknown key of a run file', 'readable', withRun('learning_rat: 1e-4'), /learning_rat/],
  [
    'data of another tool that are not files',
    'readable',
    async () => ({
      run: runOf(
        `model_name_or_path: ${await modelOf()}\ndataset: identity,alpaca_en_demo\nlearning_rate: 1.0e-4`,
      ),
    }),
    /^note .*not files here: identity, alpaca_en_demo/,
  ],
  [
    'data files that Axolotl names beside their kind',
    'readable',
    async () => ({
      run: runOf(`base_model: ${await modelOf()}\ndatasets: [{ path: json, data_files: [gone.jsonl] }]`),
    }),
    /^error gone\.jsonl: nothing/,
  ],
  [
    'tokens that are text to the tokenizer',
    'stop-token-in-template',
    withModel({ tokenizer: { template: loop("<user>{{ m['content'] }}<|eot_id|>\n") } }),
    'which is no token of this tokenizer',
  ],
  [
    'answers without any stop token',
    'stop-token-learned',
    withRows([{ input_ids: [70, 71, 72, 73], labels: [-100, -100, 72, 73] }]),
    /^error .*no stop token behind 1 learned stretch of 1/,
  ],
  [
    'earlier answers that end in another token than the last',
    'stop-token-learned',
    withModel({ tokenizer: { template: endsLast } }, [
      chat('One?', 'Yes.', { role: 'user', content: 'Two?' }, { role: 'assistant', content: 'No.' }),
    ]),
    /^warning .*1 answer of 2 ends in <\|endoftext\|>, at which no generation stops/,
  ],
  [
    'pad is eos, no run',
    'pad-equals-eos',
    withModel({ tokenizer: { config: { pad_token: '<|im_end|>' } } }),
    /^warning/,
  ],
  [
    'a template that writes bos, as text',
    'double-bos',
    withModel({ tokenizer: { name: 'spbpe-llama2' } }),
    'adds it again',
  ],
  [
    'ids of another model',
    'embedding-size',
    withRows([{ input_ids: [70, 5000, 599] }]),
    'input_ids[1] is 5000',
  ],
  [
    'new rows in a LoRA run',
    'new-token-rows',
    withRun('learning_rate: 2.0e-4', goodRows, { scaledRows: { 598: 0 } }),
    /^error/,
  ],
  [
    'a head that never learned to end a turn, beside a trained embedding',
    'new-token-rows',
    withModel({ config: { tie_word_embeddings: false }, headRows: { 599: 1e-4 } }),
    /^warning .*: lm_head\.weight: rows that were never trained.*: <\|im_end\|>/,
  ],
  [
    'a head that the run does not train, though it trains the embedding',
    'new-token-rows',
    withRun('lora: { trainable_token_indices: [599] }', goodRows, {
      config: { tie_word_embeddings: false },
      scaledRows: { 599: 0 },
      headRows: { 599: 0 },
    }),
    /^error .*lm_head\.weight[\s\S]*note .*embed_tokens\.weight/,
  ],
  [
    'rows that were made alike but for noise',
    'new-token-rows',
    withModel({ nearCopies: { 598: 599 } }),
    /never trained.*<\|im_end\|> <\|im_start\|>[\s\S]*the same row as <\|im_start\|>/,
  ],
  [
    'rows of a GGUF file',
    'new-token-rows',
    // Written with the gguf package; its tokenizer lies beside it.
    async () => ({ model: join(fixtures, 'doctor', 'untrained-q8_0.gguf'), paths: [tokenizerOf()] }),
    /^warning .*\.gguf: token_embd\.weight: rows .*: <\|im_start\|>[\s\S]*warning .*\.gguf: output\.weight: rows .*: <\|im_end\|>/,
  ],
  [
    'rows that are too long',
    'new-token-rows',
    withModel({ scaledRows: { 599: 20 } }),
    'far longer than others',
  ],
  [
    'a template that rejects',
    'template-loses-messages',
    withModel({ tokenizer: { name: 'spbpe-llama2' } }, [
      { messages: [{ role: 'system', content: 'No.' }, ...goodRows[0].messages] },
    ]),
    'Only user and assistant roles are supported!',
  ],
  [
    'a template that merges',
    'template-loses-messages',
    withModel(
      { tokenizer: { template: "{{ messages | map(attribute='content') | join('\n') }}<|im_end|>" } },
      goodRows,
    ),
    'writes as one',
  ],
  [
    'a template that reorders',
    'template-loses-messages',
    withModel(
      { tokenizer: { template: `{% for m in messages | reverse %}${chatml}{% endfor %}` } },
      goodRows,
    ),
    'in another order',
  ],
  [
    'a template without tools',
    'template-loses-messages',
    withRows([{ ...goodRows[0], tools: [{ type: 'function', function: { name: 'f' } }] }]),
    'tools that the template does not show',
  ],
  [
    'a template without thinking',
    'template-loses-messages',
    withRows([
      {
        messages: [
          { role: 'user', content: 'Well?' },
          { role: 'assistant', reasoning_content: 'Hm, let me see.', content: 'Yes.' },
        ],
      },
    ]),
    'thinking of final answers',
  ],
  [
    'rows beyond the positions',
    'position-limit',
    withRows([chat('Long?', long)]),
    "the model's 128 positions",
  ],
  [
    'the same row again',
    'duplicates',
    async () => ({ data: [dataOf([...goodRows, goodRows[0]])] }),
    /1 row of 3 occurs twice.*as row 1/s,
  ],
  [
    'the same question with another answer',
    'duplicates',
    async () => ({
      data: [dataOf(goodRows)],
      evalData: [dataOf([chat('What is it?', 'A dog.')], 'eval.jsonl')],
    }),
    'with another answer',
  ],
  [
    'bytes that are not UTF-8',
    'text-encoding',
    async () => ({
      data: [join(folderOf({ 'a.jsonl': Buffer.from('{"text":"caf\xe9"}\n', 'latin1') }), 'a.jsonl')],
    }),
    'not UTF-8',
  ],
  [
    'an adapter of another model',
    'target-modules',
    async () => ({
      adapter: await adapterOf(await modelOf(), { tensors: ['model.layers.7.self_attn.q_proj'] }),
    }),
    'weights for 1 module',
  ],
  [
    'a head that is tied',
    'target-modules',
    withRun('lora: { modules_to_save: [lm_head] }'),
    "'lm_head', which the model does not have",
  ],
  [
    'another vocabulary',
    'adapter-matches-base',
    async () => ({ adapter: await adapterOf(await modelOf(), { tokenizer: { name: 'spbpe-llama2' } }) }),
    /^error/,
  ],
  [
    'a base model that is elsewhere',
    'adapter-matches-base',
    async () => ({ adapter: await adapterOf('someone/model') }),
    'not on this machine',
  ],
  [
    'a rank that vLLM has to be told',
    'served-where',
    withRun('lora: { r: 24, use_rslora: true }'),
    /1 program serves as it is.*\nas it is, with --max-lora-rank 32\nmerged: use_rslora.*\nmerged: use_rslora.*\nmerged: it has no adapters$/,
  ],
  [
    'an adapter that most take, with a template of its own',
    'served-where',
    async () => ({ adapter: await adapterOf(await modelOf(), { tokenizer: { template: loop(chatml) } }) }),
    /3 programs serve as it is.*\nas it is, with --chat-template and the adapter's template: it takes the base's\n/,
  ],
  [
    'what no server has a place for',
    'served-where',
    async () => ({
      adapter: await adapterOf(await modelOf({ config: { tie_word_embeddings: true } }), {
        config: {
          use_dora: true,
          bias: 'all',
          init_lora_weights: 'pissa_niter_4',
          rank_pattern: { q_proj: 600 },
        },
      }),
    }),
    /\nmerged: use_dora; bias: all; init_lora_weights: pissa_niter_4, which changes the base's weights; r: 600, and at most 512\n/,
  ],
  [
    'LoRA on the tensors of experts, which vLLM takes of some models only',
    'served-where',
    withRun('lora: { r: 8, target_parameters: [mlp.experts.gate_up_proj, mlp.experts.down_proj] }'),
    /0 programs serve as it is.*\nmerged: target_parameters: of \w* it reads LoRA on experts one by one\nmerged: target_parameters: its converter/,
  ],
  [
    'a run of another tool that trains an adapter',
    'served-where',
    async () => ({
      run: runOf(
        `base_model: ${await modelOf()}\nadapter: lora\nlora_r: 8\nlora_modules_to_save: [lm_head]\n`,
      ),
    }),
    'modules_to_save: lm_head',
  ],
  [
    'too small an alpha',
    'hyperparameters',
    withRun('lora: { r: 64, lora_alpha: 1 }'),
    'alpha 1 with rank 64',
  ],
  [
    'too large a rank',
    'hyperparameters',
    withRun('lora: { r: 64, lora_alpha: 64 }'),
    'rank 64 for a model of width 16',
  ],
  ['full training', 'hyperparameters', withRun('lora: null\nlearning_rate: 1.0e-3'), 'for all weights'],
  [
    'the TypeScript engine for a real model',
    'dtype',
    async () => ({
      model: await modelOf({ config: { ...modelConfig, vocab_size: 1_300_000 } }),
      machine: { ...machine, engine: 'reference' as const },
    }),
    'only the TypeScript engine',
  ],
]
