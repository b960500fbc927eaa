import { checkArgument, checkObject, checkPath, checkText } from '../check-argument.ts'

/** How the rows of a source are laid out; `auto` decides by the columns of the first row. */
export type DataFormat = 'messages' | 'sharegpt' | 'prompt_completion' | 'instruct' | 'text' | 'tokens'

/** The columns that formats read, under fettle's names; `columns` says what a file calls them. */
export const columnNames = [
  'messages',
  'conversations',
  'prompt',
  'completion',
  'instruction',
  'input',
  'output',
  'history',
  'system',
  'tools',
  'functions',
  'chat_template_kwargs',
  'text',
  'input_ids',
  'labels',
  'attention_mask',
  'completion_mask',
  'assistant_masks',
] as const

type ColumnName = (typeof columnNames)[number]

/** What of a message may stand under another key; `message_keys` says what a file calls it. */
export const messageKeyNames = [
  'role',
  'content',
  'train',
  'tool_calls',
  'reasoning_content',
] as const satisfies (keyof MessageKeys)[]

/** fettle's key of a message → the file's: `{ role: 'speaker', content: 'text' }`. */
export type MessageKeys = {
  [Name in 'role' | 'content' | 'train' | 'tool_calls' | 'reasoning_content']?: string | undefined
}

/** How to read the rows of a source. */
export interface RowOptions {
  format?: 'auto' | DataFormat | undefined
  /** fettle's column name → the file's: `{ input: 'question', output: 'answer' }`. */
  columns?: { [Name in ColumnName]?: string | undefined } | undefined
  /** The file's role → the template's: `{ bot: 'assistant' }`. */
  roles?: Readonly<Record<string, string>> | undefined
  messageKeys?: MessageKeys | undefined
}

/** Where training data comes from: a file, or rows that the program holds or makes. */
export type DataSource = RowOptions &
  (
    | { path: string }
    | {
        rows: Iterable<Readonly<Record<string, unknown>>> | AsyncIterable<Readonly<Record<string, unknown>>>
        /** What errors call these rows (default `data`). */
        name?: string | undefined
      }
  )

/** A source of which only the path was given. */
export function sourceOf(given: string | DataSource): DataSource {
  if (typeof given !== 'string') {
    checkObject('data', given)
    if ('path' in given) checkPath('data.path', given.path)
    else checkArgument('data.rows', given.rows, isIterable(given.rows), 'rows, or a path')
    if ('name' in given && given.name !== undefined) checkText('data.name', given.name)
  }
  return typeof given === 'string' ? { path: given } : given
}

function isIterable(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
  )
}

/** How errors and summaries call a source. */
export function sourceName(source: DataSource): string {
  return 'path' in source ? source.path : (source.name ?? 'data')
}
