// A trained model as the files that other software loads. `formats.ts` is the table of formats, a file or a folder each; `exportModel` opens the
// model without loading its weights, lets a format write beside the output, and moves what is whole to its place.
// A new format is a line of that table and what it loads.
export type {
  Certificate,
  CertifiedForm,
  FormProblem,
  RowsFrom,
  ComparedRow,
  HashedFile,
  RuntimeInfo,
  ShownAnswer,
  Verdict,
} from './certificate/index.ts'
export { exportModel } from './export-model.ts'
export type { ExportResult } from './export-model.ts'
export type { ExportOptions } from './options.ts'
export type { ExportedFile, ExportProgress } from './format.ts'
export { exportFormats } from './formats.ts'
export type { ExportFormatName } from './formats.ts'
