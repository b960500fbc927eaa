import { isGgufName } from '../../formats/index.ts'
import type { ChosenFiles } from './choose-files.ts'

/** How others load what is pushed, in Markdown. */
export function loadingText(repo: string, { kind, files }: ChosenFiles, base: string | undefined): string {
  const folder = repo.slice(repo.indexOf('/') + 1)
  const fetched = `hf download ${repo} --local-dir ${folder}`
  const baseFolder = base === undefined ? 'BASE' : base.slice(base.indexOf('/') + 1)
  const fetchBase = `hf download ${base ?? 'BASE'} --local-dir ${baseFolder}`
  switch (kind) {
    case 'adapter':
      return [
        block(
          'python',
          'from peft import AutoPeftModelForCausalLM',
          'from transformers import AutoTokenizer',
          '',
          `model = AutoPeftModelForCausalLM.from_pretrained("${repo}")`,
          `tokenizer = AutoTokenizer.from_pretrained("${repo}")`,
        ),
        block('bash', fetchBase, fetched, `npx fettle chat --model ${baseFolder} --adapter ${folder}`),
      ].join('\n\n')
    case 'model':
      return [
        block(
          'python',
          'from transformers import AutoModelForCausalLM, AutoTokenizer',
          '',
          `model = AutoModelForCausalLM.from_pretrained("${repo}")`,
          `tokenizer = AutoTokenizer.from_pretrained("${repo}")`,
        ),
        block('bash', fetched, `npx fettle chat --model ${folder}`),
      ].join('\n\n')
    case 'gguf':
    case 'ollama': {
      const file = files.find(isGgufName) ?? ''
      const llama = block('bash', fetched, `llama-cli -m ${folder}/${file}`)
      if (kind === 'gguf') return llama
      return block('bash', fetched, `cd ${folder} && ollama create ${folder.toLowerCase()} -f Modelfile`)
    }
    case 'onnx':
      return block(
        'js',
        "import { pipeline } from '@huggingface/transformers'",
        '',
        `const generator = await pipeline('text-generation', '${repo}', { dtype: '${dtypeOf(files)}' })`,
        "const [{ generated_text }] = await generator([{ role: 'user', content: 'Hello!' }], { max_new_tokens: 64 })",
      )
    case 'mlx-adapter':
      return block(
        'bash',
        fetched,
        `mlx_lm.generate --model ${base ?? 'BASE'} --adapter-path ${folder} --prompt "Hello!"`,
      )
  }
}

function block(language: string, ...lines: readonly string[]): string {
  return ['```' + language, ...lines, '```'].join('\n')
}

/** `dtype` of Transformers.js by the end of a file's name, the smallest first. */
const dtypes: readonly (readonly [string, string])[] = [
  ['_q4', 'q4'],
  ['_q4f16', 'q4f16'],
  ['_quantized', 'q8'],
  ['_fp16', 'fp16'],
]

function dtypeOf(files: readonly string[]): string {
  const [, dtype] = dtypes.find(([end]) => files.includes(`onnx/model${end}.onnx`)) ?? []
  return dtype ?? 'fp32'
}
