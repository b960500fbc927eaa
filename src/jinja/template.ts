import { compileAnyExpression } from './compile/expression.ts'
import { compileBody, compileEntry, type Frame } from './compile/frame.ts'
import { Output, type Activation, type TextSpan } from './compile/runtime.ts'
import { analyze, Symbols, Unit } from './compile/scope.ts'
import { compileStatements } from './compile/statement.ts'
import { describeThrown } from './fault.ts'
import { resetMeter } from './meter.ts'
import { tokenize } from './parse/lexer.ts'
import { parseStatements } from './parse/statement.ts'
import { Generated, type Run } from './types/text.ts'
import type { Value } from './types/values.ts'

/** A text whose characters have owners. */
export interface OwnedText {
  readonly text: string
  /** Who wrote which characters; `ownerOf` tells the owner of a run's source. */
  readonly runs: readonly Run[]
  /** What stood inside `{% generation %}`. */
  readonly generationSpans: TextSpan[]
}

/** A compiled template. */
export interface Template {
  /** Whether it has `{% generation %}` blocks. */
  readonly hasGeneration: boolean
  /** Runs it: `lookUp` gives its variables, `now` is what `strftime_now` shows (default: the moment of rendering). */
  render(lookUp: (name: string) => Value | undefined, now?: Date): OwnedText
}

/** Compiles a template. Throws a FettleError with line and column where jinja2 would not compile it. */
export function compileTemplate(template: string): Template {
  const { source, tokens } = tokenize(template)
  const statements = parseStatements(source, tokens)
  const unit = new Unit()
  const symbols = new Symbols(unit)
  analyze(symbols, statements)
  const compilers = { expression: compileAnyExpression, body: compileStatements }
  const frame: Frame = { source, symbols, unit, isSoft: false, isInLoop: false, compilers }
  const enterFrame = compileEntry(frame)
  const execute = compileBody(statements, frame)

  const hasGeneration = tokens.some(
    (token, index) => token.value === 'generation' && tokens[index - 1]?.type === 'block_begin',
  )

  return {
    hasGeneration,
    render(lookUp, now) {
      resetMeter()
      const activation: Activation = {
        registers: [],
        parent: undefined,
        render: { lookUp, now, position: 0 },
      }
      try {
        const output = new Output(true)
        enterFrame(activation)
        execute(activation, output)
        return finish(output, hasGeneration)
      } catch (error) {
        throw describeThrown(error, source, activation.render.position)
      }
    },
  }
}

function finish({ builder: { value, runs }, generationSpans }: Output, hasGeneration: boolean): OwnedText {
  return { text: value, runs, generationSpans: hasGeneration ? spansOf(generationSpans ?? [], runs) : [] }
}

/** The template's own generation spans and those that came out of macros and set blocks. */
function spansOf(direct: readonly TextSpan[], runs: readonly Run[]): TextSpan[] {
  const spans = [...direct]
  let open: { block: object; start: number; end: number } | undefined
  let start = 0
  for (const { end, source } of runs) {
    const block = source instanceof Generated ? source.block : undefined
    if (open !== undefined && open.block !== block) {
      spans.push({ start: open.start, end: open.end })
      open = undefined
    }
    if (block !== undefined) open = { block, start: open?.start ?? start, end }
    start = end
  }
  if (open !== undefined) spans.push({ start: open.start, end: open.end })
  return spans.toSorted((left, right) => left.start - right.start)
}
