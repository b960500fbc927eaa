// Files that others made: config.json, generation_config.json, adapter_config.json and their like. Every key is obeyed, known to
// be harmless, known to change results without being obeyed (which stops), or named once as not read.
// Nothing here needs Node, and zod comes with the schema of whoever reads: browsers read tokenizers with it.
export { isPortableName } from './file-names.ts'
export { isOneOf, readForeign } from './read-foreign.ts'
export type { ForeignKeys, ForeignValues, UnobeyedKey } from './read-foreign.ts'
export { parseJsonObject } from './parse-object.ts'
export { isJsonObject, type JsonObject } from '../json/index.ts'
export { refuseWideText } from './wide-text.ts'
