// A model that is ready to speak: weights, adapter, tokenizer and stop set from one path, and text or messages as tokens.
// `pipeline` is the door that users of Transformers.js know; the command line and servers load and ask in the same way.
export { baseModelOf, loadModel, loadTokenizer, mustExist } from './load-model.ts'
export type { LoadedModel, ModelPaths } from './load-model.ts'
export { encodePrompt } from './prompt.ts'
export type { Prompt } from './prompt.ts'
export type { EitherSpelling, SnakeCase } from './option-names.ts'
export { pipeline } from './pipeline.ts'
export type { PipelineOptions, PipelineSettings } from './pipeline.ts'
export type {
  GeneratedText,
  TextGenerationOptions,
  TextGenerationPipeline,
  TextGenerationSettings,
} from './text-generation.ts'
export { TextStreamer } from './text-streamer.ts'
export type { Streamer, TextStreamerOptions } from './text-streamer.ts'
