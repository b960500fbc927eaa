export { FettleError } from './error.ts'
export type { Problem } from './error.ts'
export { chatFormats, findLearnedSpans, parseChatTemplate, splitPerTurn } from './chat/index.ts'
export type {
  ChatFormatName,
  ChatTemplate,
  LearnedSpan,
  MaskPolicy,
  Message,
  Rendered,
} from './chat/index.ts'
export { AutoTokenizer, ensurePadToken, findStopSet } from './tokenizer/index.ts'
export type { Tokenizer } from './tokenizer/index.ts'
export { prepareExamples } from './data/index.ts'
export type { DataSource } from './data/index.ts'
export { collatePadded } from './batch/index.ts'
export { AutoModelForCausalLM, setupChatFormat } from './model/index.ts'
export type { ForwardInputs, LoadOptions } from './model/index.ts'
export type { LoraConfig } from './peft/index.ts'
export type { GenerateOptions } from './generate/index.ts'
export type { ModelGenerateOptions } from './model/index.ts'
export { trainSft } from './train/index.ts'
export type { TrainEvent, TrainSftInput } from './train/index.ts'
export { diagnose } from './doctor/index.ts'
export type { Diagnosis } from './doctor/index.ts'
