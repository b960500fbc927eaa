// What a program gets from `import … from 'fettle'`: every function, and every type that one of them names.
// In the order of the data's way: messages, tokens, examples, model, generation, training, doctor.
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
  RenderedBeginning,
  Rendered,
  RenderOptions,
  Segment,
  SpanSettings,
  SpanStatus,
  TextSpan,
  TokenTexts,
} from './chat/index.ts'

export { AutoTokenizer, ensurePadToken, findStopSet } from './tokenizer/index.ts'
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
  Tokenizer,
  TokenizerFileContents,
  TokenSpan,
  Truncation,
  TurnEncoding,
} from './tokenizer/index.ts'

export {
  createDataReport,
  encodeConversations,
  inspect,
  prepareExamples,
  readRows,
  toConversations,
} from './data/index.ts'
export type {
  AnswerPart,
  Conversation,
  ConversationOptions,
  DataFormat,
  DataReport,
  DataSource,
  EncodedExample,
  Example,
  ExampleOptions,
  GivenRows,
  InspectedExample,
  InvalidRow,
  InvalidRowOptions,
  MessageKeys,
  MixedSource,
  MixOptions,
  Origin,
  PlaceOptions,
  PreferenceKind,
  PrepareOptions,
  Row,
  RowMap,
  RowMapResult,
  RowOptions,
  Rows,
  SourceReport,
} from './data/index.ts'

export { collatePadded } from './batch/index.ts'
export type { LabelledRow, PaddedBatch, PaddingOptions } from './batch/index.ts'

export { AutoModelForCausalLM, setupChatFormat } from './model/index.ts'
export type {
  AddAdapterOptions,
  AssistantModel,
  ChatFormatOptions,
  ChatFormatSetup,
  ForwardInputs,
  GenerateInputs,
  GenerateOutput,
  LoadOptions,
  ModelGenerateOptions,
  ForwardOutputs,
  NumberArray,
  ResizeOptions,
  SaveAdapterOptions,
  StreamOptions,
  TokenMatrix,
  WeightedOptions,
} from './model/index.ts'
export type { ActivationQuantization, DType, EngineName, Quantization } from './engine/index.ts'
export { combineAdapters } from './peft/index.ts'
export type { CombineOptions, LoraConfig, LoraOptions } from './peft/index.ts'
export type {
  Candidates,
  Decoder,
  Drafter,
  FedTokens,
  FinishReason,
  GenerateOptions,
  SlotCopy,
  StreamPiece,
  TextOptions,
  TextPiece,
} from './generate/index.ts'

export { pipeline, TextStreamer } from './pipeline/index.ts'
export type {
  EitherSpelling,
  GeneratedText,
  PipelineOptions,
  PipelineSettings,
  SnakeCase,
  Streamer,
  TextGenerationOptions,
  TextGenerationPipeline,
  TextGenerationSettings,
  TextStreamerOptions,
} from './pipeline/index.ts'

export {
  runFileJsonSchema,
  trainCpo,
  trainDpo,
  trainGrpo,
  trainKto,
  trainOrpo,
  trainReward,
  trainSft,
} from './train/index.ts'
export type {
  CheckpointEvent,
  EndEvent,
  EvalEvent,
  FoundBatch,
  PrepareEvent,
  RewardContext,
  RewardFunction,
  RolloutFunction,
  Sample,
  SampleEvent,
  SourceFound,
  SourceLoss,
  StartEvent,
  StepEvent,
  TrainEvent,
  TrainGrpoInput,
  TrainInput,
  TrainOptionsInput,
  TrainSftInput,
} from './train/index.ts'

export { exportModel } from './export/index.ts'
export type {
  Certificate,
  CertifiedForm,
  FormProblem,
  RowsFrom,
  ComparedRow,
  ExportedFile,
  ExportFormatName,
  ExportOptions,
  ExportProgress,
  ExportResult,
  HashedFile,
  RuntimeInfo,
  ShownAnswer,
  Verdict,
} from './export/index.ts'

export { pushModel } from './export/push/index.ts'
export type { FileToPush, LeftOut, PushOptions, PushProgress, PushResult } from './export/push/index.ts'

export { handOffJsonSchema } from './remote/index.ts'

export { applyFixes, checkNames, diagnose } from './doctor/index.ts'
export type {
  AppliedFix,
  CheckName,
  Diagnosis,
  DiagnoseInput,
  Evidence,
  Excerpt,
  Fix,
  Machine,
  Severity,
  Subjects,
} from './doctor/index.ts'
