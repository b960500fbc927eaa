// A chat template's language: Python jinja2 3.1 as transformers configures it, compiled to closures.
// Every text has owners: each character of what a template writes is somebody's whom the caller named, or its own.
// lexer → parser → scope (which variable a name means) → compile → run.
export { compileTemplate, type OwnedText, type Template } from './template.ts'
export { adoptValue } from './types/adopt.ts'
export type { Owner } from './types/text.ts'
export type { TextSpan } from './compile/runtime.ts'
export { PyList, type Value } from './types/values.ts'
