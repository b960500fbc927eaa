/**
 * Text <-> tokens: loads and saves Hugging Face and GGUF tokenizers, pads and truncates, names the special
 * tokens, and turns chats into tokens with their loss mask. `steps/` are the parts of a
 * tokenizer.json; `node/` has what needs Node: folders and GGUF files.
 */
export { AutoTokenizer } from './node/auto-tokenizer.ts'
export { preTokenizerNamed } from './node/gguf/pre-tokenizers.ts'
export { readGenerationConfig } from './node/read-generation-config.ts'
export {
  snapshotOf,
  Tokenizer,
  tokenizerOfSnapshot,
  type DecodeOptions,
  type EncodedChat,
} from './tokenizer.ts'
export type { TokenizerSnapshot } from './snapshot.ts'
export { parseChatTemplateOf, renderOptions, type ChatTemplateOptions } from './chats/chat-templates.ts'
export { continuedTexts, type ContinuedTexts, type TokenisedText } from './encoding/continued-text.ts'
export type { TurnEncoding } from './chats/encode-turns.ts'
export type { DecodeStream } from './decode-stream.ts'
export type { Chat, ChatEncoding, EncodeChatOptions } from './chats/encode-chats.ts'
export type { TextEncoding, TextWithSpans } from './encoding/encode-with-spans.ts'
export type { SpanEncoding, Straddle, TokenSpan } from './encoding/token-spans.ts'
export type { EncodeOptions } from './encoding/encode-texts.ts'
export type { BatchEncoding, Encoding } from './encoding/encoding.ts'
export type { TokenizerFileContents } from './files.ts'
export type { JsonObject } from './json.ts'
export type { Truncation } from './encoding/max-length.ts'
export type { AddedToken, NamedToken } from './named-tokens.ts'
export {
  formatGenerationConfig,
  parseGenerationConfig,
  type GenerationConfig,
} from './generation/generation-config.ts'
export { ensurePadToken, type PadChoice, type PadPolicy } from './pad-token.ts'
export { findStopSet, type StopSet, type StopSource, type StopToken } from './generation/stop-set.ts'
