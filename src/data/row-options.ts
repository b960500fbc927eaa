import { checkArgument, checkObject, checkPath, checkText } from '../check-argument.ts'
import type { Origin } from './row.ts'

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
  'chosen',
  'rejected',
  'label',
  'prompt_ids',
  'chosen_ids',
  'rejected_ids',
  'completion_ids',
  'KL_completion_ids',
  'margin',
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
  /** fettle's column name → the file's, or a text made of them: `{ input: '{title}\n{question}', output: 'answer' }`. */
  columns?: { [Name in ColumnName]?: string | undefined } | undefined
  /** The file's role → the template's: `{ bot: 'assistant' }`. */
  roles?: Readonly<Record<string, string>> | undefined
  messageKeys?: MessageKeys | undefined
}

/** Rows that a program holds, or makes one after the other. */
export type Rows =
  | Iterable<Readonly<Record<string, unknown>>>
  | AsyncIterable<Readonly<Record<string, unknown>>>

/** Rows that a program holds or makes, or a function that begins them anew. */
export type GivenRows = Rows | (() => Rows | Promise<Rows>)

/**
 * Makes of a row what is read instead: a row of a known format such as `{ messages, tools }` or `{ prompt, completion }`, or the messages
 * alone; null leaves the row out.
 */
export type RowMap = (row: Record<string, unknown>, origin: Origin) => RowMapResult | Promise<RowMapResult>
/** What a row becomes: another row, messages alone, or nothing. */
export type RowMapResult = Readonly<Record<string, unknown>> | readonly object[] | null | undefined

/** How a source is mixed with others. */
export interface MixedSource {
  /** How often a row of it is drawn, in relation to the other sources, which then have a weight too (default: one source after the other). */
  weight?: number | undefined
  map?: RowMap | undefined
}

/** Which rows of a place are meant. */
export interface PlaceOptions {
  /** The config of a data set whose README.md names several. */
  config?: string | undefined
  /** As `datasets` writes splits: `train` (the default), `train[:1000]`, `train[10%:20%]`, `train+validation`. */
  split?: string | undefined
}

/** Where training data comes from: files, or rows that the program holds or makes; a function makes them anew each time. */
export type DataSource = RowOptions &
  MixedSource &
  (
    | (PlaceOptions & {
        /** A file, a folder, a pattern of files, or several of them. */
        path: string | readonly string[]
      })
    | {
        rows: GivenRows
        /** What errors call these rows (default `data`). */
        name?: string | undefined
      }
  )

/** A source of which only the path was given. */
export function sourceOf(given: string | DataSource): DataSource {
  if (typeof given !== 'string') {
    checkObject('data', given)
    if ('path' in given) {
      const paths = typeof given.path === 'string' ? [given.path] : given.path
      checkArgument('data.path', paths, Array.isArray(paths) && paths.length > 0, 'a path, or a list of them')
      for (const path of paths) checkPath('data.path', path)
      if (given.config !== undefined) checkText('data.config', given.config)
      if (given.split !== undefined) checkText('data.split', given.split)
    } else checkArgument('data.rows', given.rows, isRows(given.rows), 'rows, or a path')
    if ('name' in given && given.name !== undefined) checkText('data.name', given.name)
  }
  if (typeof given === 'string') return { path: given }
  if (given.map !== undefined)
    checkArgument('data.map', given.map, typeof given.map === 'function', 'a function of a row')
  return given
}

/** Whether a value can be a source's rows. */
export function isRows(value: unknown): boolean {
  return (
    typeof value === 'function' ||
    (typeof value === 'object' &&
      value !== null &&
      (Symbol.iterator in value || Symbol.asyncIterator in value))
  )
}

/** How errors and summaries call a source. */
export function sourceName(source: DataSource): string {
  if (!('path' in source)) return source.name ?? 'data'
  return typeof source.path === 'string' ? source.path : source.path.join(', ')
}
