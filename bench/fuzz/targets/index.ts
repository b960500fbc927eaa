// What fettle reads, each as a target of its own.
import type { Target } from '../target.ts'
import { api } from './api.ts'
import { checkpoint } from './checkpoint.ts'
import {
  adapter,
  adapterConfig,
  config,
  generationConfig,
  gguf,
  ggufTokenizer,
  index,
  safetensors,
} from './model-files.ts'
import { rows, runFiles, template } from './texts.ts'
import { specialTokensMap, tokenizer, tokenizerConfig } from './tokenizer-files.ts'

export const targets: readonly Target[] = [
  safetensors,
  index,
  gguf,
  ggufTokenizer,
  config,
  generationConfig,
  tokenizer,
  tokenizerConfig,
  specialTokensMap,
  adapterConfig,
  adapter,
  template,
  rows,
  runFiles,
  checkpoint,
  api,
]
