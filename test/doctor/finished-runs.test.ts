import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { collect, diagnose } from '../../src/doctor/index.ts'
import { adapterOf, fixtures, folderOf, machine, modelOf, write, type Files } from './patients.ts'

const state = { log_history: [{ step: 1, learning_rate: 2e-4, loss: 2 }] }
const log = { log_history: [{ step: 1, learning_rate: 0.5, loss: 2 }] }
/** The list of transformers' own model card, which LLaMA-Factory and Axolotl keep. */
const hyperparameters = [
  '### Training hyperparameters\n',
  'The following hyperparameters were used during training:',
  '- learning_rate: 5e-05',
  '- train_batch_size: 2',
  '- eval_batch_size: 8',
  '- seed: 42',
  '- gradient_accumulation_steps: 8',
  '- total_train_batch_size: 16',
  '- optimizer: Use adamw_torch with betas=(0.9,0.999) and epsilon=1e-08 and optimizer_args=No additional optimizer arguments',
  '- lr_scheduler_type: cosine',
  '- num_epochs: 3.0',
  '- mixed_precision_training: Native AMP\n',
].join('\n')
const card = (tags: string[], base: string, rest: string) =>
  `---\nlibrary_name: peft\nbase_model: ${base}\ntags:\n${tags.map((tag) => `- ${tag}`).join('\n')}\n---\n\n# Model Card\n\n${rest}`
const byTrl =
  'This model is a fine-tuned version of [None](https://huggingface.co/None).\nIt has been trained using [TRL](https://github.com/huggingface/trl).\n\nThis model was trained with SFT.\n'
const byAxolotl = `[<img src="https://raw.githubusercontent.com/axolotl-ai-cloud/axolotl/main/image/axolotl-badge-web.png" alt="Built with Axolotl" width="200" height="32"/>](https://github.com/axolotl-ai-cloud/axolotl)
<details><summary>See axolotl config</summary>

axolotl version: \`0.11.0\`
\`\`\`yaml
base_model: org/model
adapter: qlora
load_in_4bit: true
datasets:
  - path: ./data.jsonl
    type: chat_template
sequence_len: 512
sample_packing: true
lora_r: 8
lora_alpha: 16
lora_target_modules: ["q_proj", "v_proj"]
micro_batch_size: 1
gradient_accumulation_steps: 4
num_epochs: 1
learning_rate: 2.0e-4
special_tokens:
  pad_token: <|endoftext|>
\`\`\`

</details><br>

${hyperparameters}`
const logLine = (step: number) =>
  `{"current_steps": ${step}, "total_steps": 20, "loss": 1.9, "lr": 5e-05, "epoch": 0.5, "percentage": 50.0, "elapsed_time": "0:00:27", "remaining_time": "0:00:27"}\n`
const llamaFactoryFiles = {
  'all_results.json': { epoch: 3, train_loss: 1.2 },
  'train_results.json': { epoch: 3, train_loss: 1.2 },
  'trainer_log.jsonl': logLine(10) + logLine(20),
  'trainer_state.json': state,
}
/** As LLaMA Board writes its form. */
const board = [
  'top.booster: auto',
  'top.checkpoint_path: []',
  'top.finetuning_type: lora',
  'top.model_name: Qwen3-4B-Instruct-2507',
  'top.quantization_bit: none',
  'top.template: qwen3_nothink',
  "train.additional_target: ''",
  'train.batch_size: 4',
  'train.compute_type: bf16',
  'train.cutoff_len: 2048',
  'train.dataset:',
  '- identity',
  'train.gradient_accumulation_steps: 8',
  'train.learning_rate: 5e-5',
  'train.lora_alpha: 16',
  'train.lora_rank: 8',
  "train.lora_target: ''",
  "train.num_train_epochs: '3.0'",
  'train.packing: false',
].join('\n')

/*
 * What each tool leaves beside the weights, as published runs on the Hugging Face hub have it (2023–2026). TRL's own
 * files are those of a real run, below.
 */
it.each<[string, string, Files, object, object?]>([
  [
    "transformers' Trainer",
    'transformers',
    {
      'trainer_state.json': state,
      'README.md': card(['generated_from_trainer'], 'org/model', hyperparameters),
    },
    { learningRate: 5e-5, batchSize: 2, epochs: 3, accumulation: 8 },
  ],
  [
    'TRL with a model that Unsloth uploaded',
    'trl',
    {
      'training_args.bin': 'PK',
      'README.md': card(
        ['base_model:adapter:unsloth/Llama-3.2-1B-Instruct', 'lora', 'sft', 'transformers', 'trl'],
        'unsloth/Llama-3.2-1B-Instruct',
        byTrl,
      ),
    },
    {},
  ],
  [
    'Unsloth',
    'unsloth',
    {
      'trainer_state.json': state,
      'README.md': card(
        [
          'base_model:adapter:unsloth/qwen3-14b-unsloth-bnb-4bit',
          'lora',
          'sft',
          'transformers',
          'trl',
          'unsloth',
        ],
        'unsloth/qwen3-14b-unsloth-bnb-4bit',
        byTrl,
      ),
    },
    {},
  ],
  [
    'Unsloth, whose card says nothing',
    'unsloth',
    { 'trainer_state.json': state, 'README.md': card(['lora'], 'org/model', '[More Information Needed]') },
    {},
    { auto_mapping: { base_model_class: 'Qwen3ForCausalLM', unsloth_fixed: true } },
  ],
  [
    'Axolotl',
    'axolotl',
    {
      'trainer_state.json': state,
      'README.md': card(['axolotl', 'generated_from_trainer'], 'org/model', byAxolotl),
    },
    {
      learningRate: 2e-4,
      maxLength: 512,
      packing: true,
      batchSize: 1,
      accumulation: 4,
      epochs: 1,
      quantization: 'nf4',
      lora: { r: 8, alpha: 16, targetModules: ['q_proj', 'v_proj'], useRslora: false },
    },
  ],
  [
    'LLaMA-Factory',
    'llama-factory',
    {
      ...llamaFactoryFiles,
      'README.md': card(
        ['llama-factory', 'lora', 'generated_from_trainer'],
        'unsloth/mistral-7b-instruct-v0.3-bnb-4bit',
        hyperparameters,
      ),
    },
    { learningRate: 5e-5, batchSize: 2, epochs: 3, accumulation: 8 },
  ],
  [
    'LLaMA Board',
    'llama-factory',
    { ...llamaFactoryFiles, 'running_log.txt': '', 'llamaboard_config.yaml': board },
    {
      learningRate: 5e-5,
      batchSize: 4,
      epochs: 3,
      accumulation: 8,
      maxLength: 2048,
      packing: false,
      dtype: 'bfloat16',
      lora: { r: 8, alpha: 16, useRslora: false },
    },
  ],
  [
    'LLaMA Board, with the arguments that it started',
    'llama-factory',
    {
      ...llamaFactoryFiles,
      'training_args.yaml':
        'model_name_or_path: x/y\nfinetuning_type: lora\nlora_rank: 8\nlora_target: q_proj,v_proj\ncutoff_len: 2048\nlearning_rate: 1.0e-4\nbf16: true',
    },
    {
      learningRate: 1e-4,
      maxLength: 2048,
      dtype: 'bfloat16',
      lora: { r: 8, targetModules: ['q_proj', 'v_proj'], useRslora: false },
    },
  ],
  ['fettle', 'fettle', { 'trainer_state.json': { step: 3, fingerprint: {} } }, {}],
])('recognises a run of %s', async (_, maker, files, settings, config = {}) => {
  const path = await adapterOf(await modelOf(), { files, tokenizer: {}, config })
  const { finished, adapter, model, run, problems } = await collect({ paths: [path], machine })
  expect(problems).toEqual([])
  expect(finished).toMatchObject({ maker, weights: path })
  expect(adapter?.path).toBe(path)
  expect(model).toBeDefined()
  expect(run ?? {}).toMatchObject(settings)
  const diagnoses = await diagnose({ paths: [path], machine })
  expect(diagnoses.filter(({ severity }) => severity === 'error')).toEqual([])
})

it('reads the folder of a real run of TRL', async () => {
  const path = folderOf({})
  cpSync(join(fixtures, 'doctor', 'trl'), path, { recursive: true })
  cpSync('assets/tiny-llama/tokenizer.json', join(path, 'tokenizer.json'))
  const { finished, model, run, problems } = await collect({ paths: [path], machine })
  expect(problems).toEqual([])
  expect(finished).toMatchObject({ maker: 'trl', weights: path })
  expect(finished?.log[0]).toMatchObject({ step: 1, learning_rate: 2e-4 })
  expect(model?.path).toBe('assets/tiny-llama')
  expect(run).toMatchObject({
    place: join(path, 'training_args.bin'),
    learningRate: 2e-4,
    maxSteps: 4,
    maxLength: 256,
    batchSize: 2,
    accumulation: 2,
    packing: false,
  })
  const diagnoses = await diagnose({ paths: [path], machine })
  expect(diagnoses.map(({ check, severity }) => `${severity} ${check}`)).toEqual([
    'note served-where',
    'note padding-side',
  ])
})

it('reads numbers of pickled training arguments without unpickling them', async () => {
  // Python: pickle.dumps({'max_steps_left': 9, 'max_steps': -1, 'learning_rate': 0.5, 'max_length': 4096, 'fp16': True}, 2)
  const pickled = Buffer.concat([
    Buffer.from('\x80\x02}q\x00(X\x0e\x00\x00\x00max_steps_leftq\x01K\x09', 'latin1'),
    Buffer.from('X\x09\x00\x00\x00max_stepsq\x02J\xff\xff\xff\xff', 'latin1'),
    Buffer.from('X\x0d\x00\x00\x00learning_rateq\x03G\x3f\xe0\x00\x00\x00\x00\x00\x00', 'latin1'),
    Buffer.from(
      'X\x0a\x00\x00\x00max_lengthq\x04M\x00\x10X\x04\x00\x00\x00fp16q\x05\x88u.        ',
      'latin1',
    ),
  ])
  const path = await adapterOf(await modelOf(), {
    files: { 'training_args.bin': pickled, 'README.md': 'trl' },
  })
  const { run } = await collect({ paths: [path], machine })
  expect(run).toMatchObject({ maxSteps: -1, learningRate: 0.5, maxLength: 4096, dtype: 'float16' })
})

it('finds the weights of a run in its last checkpoint', async () => {
  const checkpoint = await adapterOf(await modelOf(), { tokenizer: {} })
  const path = write(`${checkpoint}-run`, { 'README.md': 'trl' })
  for (const step of [9, 10]) mkdirSync(join(path, `checkpoint-${step}`))
  write(join(path, 'checkpoint-10'), {
    'adapter_config.json': { peft_type: 'LORA', r: 4 },
    'trainer_state.json': log,
  })
  const { finished } = await collect({ paths: [path], machine })
  expect(finished?.weights).toBe(join(path, 'checkpoint-10'))
  const diagnoses = await diagnose({ paths: [path], machine, only: ['hyperparameters'] })
  expect(diagnoses.map(({ found }) => found)).toEqual([expect.stringContaining('0.5 with LoRA')])
})
