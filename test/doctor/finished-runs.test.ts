import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { collect, diagnose } from '../../src/doctor/index.ts'
import { adapterOf, machine, modelOf, write, type Files } from './patients.ts'

const log = { log_history: [{ step: 1, learning_rate: 0.5, loss: 2 }] }
const hyperparameters =
  '### Training hyperparameters\n\n- learning_rate: 0.0002\n- train_batch_size: 2\n- num_epochs: 3\n'
const axolotl =
  '```yaml\nbase_model: x/y\nsequence_len: 512\nlora_r: 8\nlora_alpha: 16\nlearning_rate: 2e-4\n```'

/** What each tool leaves beside the weights. */
it.each<[string, string, Files, object]>([
  [
    'transformers',
    'transformers',
    { 'trainer_state.json': log, 'README.md': hyperparameters },
    { learningRate: 2e-4, batchSize: 2, epochs: 3 },
  ],
  ['TRL', 'trl', { 'training_args.bin': 'PK', 'README.md': 'tags: [trl, sft]\n\nTrained with TRL.' }, {}],
  ['Unsloth', 'unsloth', { 'trainer_state.json': log, 'README.md': 'tags:\n- unsloth\n- trl' }, {}],
  [
    'Axolotl',
    'axolotl',
    { 'trainer_state.json': log, 'README.md': `built with Axolotl\n${axolotl}` },
    { learningRate: 2e-4, maxLength: 512, lora: { r: 8, alpha: 16, useRslora: false } },
  ],
  [
    'LLaMA-Factory',
    'llama-factory',
    {
      'all_results.json': {},
      'trainer_log.jsonl': '{}',
      'training_args.yaml':
        'model_name_or_path: x/y\nfinetuning_type: lora\nlora_rank: 8\nlora_target: q_proj,v_proj\ncutoff_len: 2048\nlearning_rate: 1.0e-4',
    },
    {
      learningRate: 1e-4,
      maxLength: 2048,
      lora: { r: 8, targetModules: ['q_proj', 'v_proj'], useRslora: false },
    },
  ],
  ['fettle', 'fettle', { 'trainer_state.json': { step: 3, fingerprint: {} } }, {}],
])('recognises a run of %s', async (_, maker, files, settings) => {
  const path = await adapterOf(await modelOf(), { files, tokenizer: {} })
  const { finished, adapter, model, run, problems } = await collect({ paths: [path], machine })
  expect(problems).toEqual([])
  expect(finished).toMatchObject({ maker, weights: path })
  expect(adapter?.path).toBe(path)
  expect(model).toBeDefined()
  expect(run ?? {}).toMatchObject(settings)
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
  const findings = await diagnose({ paths: [path], machine, only: ['hyperparameters'] })
  expect(findings.map(({ found }) => found)).toEqual([expect.stringContaining('0.5 with LoRA')])
})
