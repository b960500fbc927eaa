/** Rows of files that are not JSON: a door of their own, loaded where there is such a file. */
export { readArrow } from './arrow.ts'
export { readCsv } from './csv.ts'
export { readParquet } from './parquet.ts'
export { readTextLines } from './text-lines.ts'
