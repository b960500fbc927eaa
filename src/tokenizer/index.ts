/**
 * Text <-> tokens: loads and saves Hugging Face and GGUF tokenizers, pads and truncates, names the special
 * tokens, and turns chats into tokens with their loss mask. The work on text is done by the Rust library.
 */
export { AutoTokenizer } from './auto-tokenizer.ts'
export { Tokenizer, type DecodeOptions, type EncodedChat } from './tokenizer.ts'
export { parseChatTemplateOf, type ChatTemplateOptions } from './chat-templates.ts'
export type { DecodeStream } from './decode.ts'
export type { Chat, ChatEncoding, EncodeChatOptions } from './encode-chats.ts'
export type { TextWithSpans } from './encode-spans.ts'
export type { SpanEncoding, Straddle, TokenSpan } from './spans.ts'
export type { BatchEncoding, EncodeOptions, Encoding } from './encode.ts'
export type { AddedToken, NamedToken } from './named-tokens.ts'
export { formatGenerationConfig, parseGenerationConfig, type GenerationConfig } from './generation-config.ts'
export { readGenerationConfig } from './read-generation-config.ts'
export { ensurePadToken, type PadChoice, type PadPolicy } from './special-tokens.ts'
export { findStopSet, type StopSet, type StopSource, type StopToken } from './stop-set.ts'
