/**
 * The room's other door: what of it runs in a browser. Tokenizers are made of files in memory; nothing here
 * reaches `node/`.
 */
export { AutoTokenizer } from './auto-tokenizer.ts'
export type { DecodeOptions, EncodedChat, Tokenizer } from './tokenizer.ts'
export type { ChatTemplateOptions } from './chats/chat-templates.ts'
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
