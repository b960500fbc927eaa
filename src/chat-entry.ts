/**
 * `fettle/chat`: chat templates, loss masks, stop sets and tokenizers, without Node: for pages and workers as well.
 *
 * @module
 */
export { FettleError } from './error.ts'
export type { Problem } from './error.ts'
export { chatFormats, findLearnedSpans, parseChatTemplate, splitPerTurn } from './chat/index.ts'
export type {
  ChatFormat,
  ChatFormatName,
  ChatTemplate,
  ContentPart,
  ConversationTurn,
  DroppedField,
  LearnedSpan,
  MaskPolicy,
  Message,
  RenderBeginning,
  RenderOptions,
  Rendered,
  Segment,
  SpanSettings,
  SpanStatus,
  TextSpan,
  TokenTexts,
} from './chat/index.ts'
export {
  AutoTokenizer,
  ensurePadToken,
  findStopSet,
  formatGenerationConfig,
  parseGenerationConfig,
} from './tokenizer/browser.ts'
export type {
  AddedToken,
  BatchEncoding,
  Chat,
  ChatEncoding,
  ChatTemplateOptions,
  DecodeOptions,
  DecodeStream,
  EncodeChatOptions,
  EncodedChat,
  EncodeOptions,
  Encoding,
  GenerationConfig,
  JsonObject,
  NamedToken,
  PadChoice,
  PadPolicy,
  SpanEncoding,
  StopSet,
  StopSource,
  StopToken,
  Straddle,
  TextEncoding,
  TextWithSpans,
  TokenizerFileContents,
  Tokenizer,
  TokenSpan,
  Truncation,
} from './tokenizer/browser.ts'
