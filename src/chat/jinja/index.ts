// A chat template's language: Python jinja2 3.1 as transformers configures it, compiled to closures.
// Every string carries who wrote each of its characters: a message's field, or the template itself.
// lexer → parser → scope (which variable a name means) → compile → run.
export { parseChatTemplate, type ChatTemplate, type RenderBeginning, type RenderOptions } from './template.ts'
