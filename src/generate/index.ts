// Text from a model: samples the next token, feeds it back, and stops where a turn ends.
// It works on any Decoder (a key-value cache of several sequences); model/ implements one.
// The processors and their order are those of Hugging Face's generate.
export type { Assistant } from './assistant.ts'
export { createAssistant, defaultAssistantTokens } from './assistant.ts'
export type { Candidates } from './candidates.ts'
export type { Decoder, FedTokens, SlotCopy } from './decoder.ts'
export type { Drafter } from './drafter.ts'
export { generateSequences, generateTokens } from './generate.ts'
export type { FinishReason, Sequence } from './generate.ts'
export { obeyGenerationConfig } from './obey-config.ts'
export type { LengthOptions } from './obey-config.ts'
export { readSettings } from './options.ts'
export type { GenerateOptions } from './options.ts'
export { sharedBeginning } from './shared-beginning.ts'
export { cutAtStopString } from './stop-strings.ts'
export { streamTokens, withText } from './stream.ts'
export type { StreamPiece, TextOptions, TextPiece } from './stream.ts'
