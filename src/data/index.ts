// From data files to examples: rows → conversations of known formats → tokens with their loss mask.
// Every stage streams and names file and line in its errors; nothing here prints or trains.
// The example store keeps a whole data set in little memory, because training shuffles.
export type { Conversation } from './conversations/conversation.ts'
export {
  encodeConversations,
  type EncodedExample,
  type ExampleOptions,
} from './examples/encode-conversations.ts'
export {
  createExampleStore,
  type ExampleStore,
  type GrowingStore,
  type StoreTable,
} from './store/example-store.ts'
export { cacheEntry, cacheFolder, fileContents, type EntryMaker, type FileContent } from './cache/index.ts'
export { carry } from './workers/carry.ts'
export type { Example } from './examples/example.ts'
export { inspect, type InspectedExample } from './examples/inspect-examples.ts'
export {
  createRowReader,
  dataFormats,
  toConversations,
  type ConversationOptions,
} from './conversations/to-conversations.ts'
export { readConversations, stoppingStrategies, type MixOptions } from './mix/index.ts'
export { prepareExamples, type PrepareOptions } from './examples/prepare-examples.ts'
export { createEncodingPool, type EncodingPool } from './workers/encoding-pool.ts'
export { encodeInThreads } from './workers/encode-in-threads.ts'
export {
  createDataReport,
  type DataReport,
  type InvalidRow,
  type InvalidRowOptions,
  type SourceReport,
} from './report.ts'
export { findValidation, holdsData, isDataFile, readRows, resolveFiles } from './sources/index.ts'
export type { PreferenceKind } from './preferences/answer-rows.ts'
export { readPrompts, type Prompt, type PromptOptions } from './preferences/read-prompts.ts'
export { statusNames } from './examples/span-statuses.ts'
export { formatOrigin, formatRows, type AnswerPart, type Origin, type Row } from './row.ts'
export {
  columnNames,
  isRows,
  messageKeyNames,
  sourceName,
  type DataFormat,
  type DataSource,
  type GivenRows,
  type MessageKeys,
  type MixedSource,
  type RowMap,
  type RowMapResult,
  type Rows,
  type PlaceOptions,
  type RowOptions,
} from './row-options.ts'
export {
  createColumnStatistics,
  createLengthCounts,
  type ColumnStatistics,
  type LengthCounts,
  type StatisticsOfColumns,
} from './statistics/index.ts'
export { ignoredLabel } from './conversations/pretokenised-rows.ts'
