// Causal language models: configuration to architecture, weights in and out, adapters, passes, KV cache.
// One definition serves Llama, Mistral, Qwen2 and Qwen3; it records ops on the engine's tape.
// The public object is AutoModelForCausalLM; train/ drives it, generate/ samples from it.
export { checkAssistant, openAssistant } from './assistant-model.ts'
export type { AssistantModel } from './assistant-model.ts'
export { AutoModelForCausalLM } from './causal-lm.ts'
export type { NumberArray } from './causal-lm.ts'
export { internalsOf } from './internals.ts'
export type { ModelInternals } from './internals.ts'
export type { GenerateInputs, GenerateOutput, ModelGenerateOptions, StreamOptions } from './generation.ts'
export type { LoadOptions } from './load-options.ts'
export type { ResizeOptions } from './resize.ts'
export { setupChatFormat } from './setup-chat-format.ts'
export type { ChatFormatOptions, ChatFormatSetup } from './setup-chat-format.ts'
export type { ForwardInputs, TokenMatrix } from './passes/flatten.ts'
export type { Passes, Weights } from './passes/passes.ts'
export type { TrainableParameters, Training } from './passes/training-state.ts'
