// The language of chat templates: what they use, and their authors would write, of Python's jinja2 3.1 as transformers has it.
// A text knows its owners: each character of what a template writes is the template's own or somebody's whom the caller named.
// parse/ makes a tree, compile/ closures of it; they work with the values of types/ and the builtins of filters/.
export { compileTemplate, type OwnedText, type Template } from './template.ts'
export { adoptValue } from './types/adopt.ts'
export { jsonTextOf } from './json-text.ts'
export { ownerOf, type Owner } from './types/text.ts'
export type { TextSpan } from './compile/runtime.ts'
export { GrowingList, Watch } from './types/growing-list.ts'
export { listOf, type Value } from './types/values.ts'
