import { compileAnyExpression } from './compile/expression.ts'
import { Forks, type ForkedText } from './compile/forks.ts'
import { compileEntry, type Frame } from './compile/frame.ts'
import { Output, type Activation, type TextSpan } from './compile/runtime.ts'
import { analyze, Symbols, Unit } from './compile/scope.ts'
import { compileStatements, compileTop } from './compile/statement.ts'
import { describeThrown } from './fault.ts'
import { resetMeter } from './meter.ts'
import { tokenize } from './parse/lexer.ts'
import { parseStatements } from './parse/statement.ts'
import type { Watch } from './types/growing-list.ts'
import { Generated, type Run } from './types/text.ts'
import type { Value } from './types/values.ts'

/** A text whose characters have owners. */
export interface OwnedText {
  readonly text: string
  /** Who wrote which characters; `ownerOf` tells the owner of a run's source. */
  readonly runs: readonly Run[]
  /** What stood inside `{% generation %}`. */
  readonly generationSpans: readonly TextSpan[]
}

/** A compiled template. */
export interface Template {
  /** Whether it has `{% generation %}` blocks. */
  readonly hasGeneration: boolean
  /** Runs it: `lookUp` gives its variables, `now` is what `strftime_now` shows (default: the moment of rendering). */
  render(lookUp: (name: string) => Value | undefined, now?: Date): OwnedText
  /**
   * Runs it once with a list under a watch among its variables, and finds on the way what it writes of beginnings of that list.
   *
   * @param isWanted  whether the beginning of so many items is asked for
   * @returns         by number of items what is sure to be what a run of its own would give
   */
  renderBeginnings(
    watch: Watch,
    lookUp: (name: string) => Value | undefined,
    isWanted: (count: number) => boolean,
    now?: Date,
  ): ReadonlyMap<number, OwnedText>
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
  const execute = compileTop(statements, frame)

  const hasGeneration = tokens.some(
    (token, index) => token.value === 'generation' && tokens[index - 1]?.type === 'block_begin',
  )

  return {
    hasGeneration,
    renderBeginnings(watch, lookUp, isWanted, now) {
      resetMeter()
      const forks = new Forks(watch, isWanted)
      const activation: Activation = {
        registers: [],
        parent: undefined,
        render: { lookUp, now, position: 0, forks },
      }
      const output = new Output(true)
      try {
        enterFrame(activation)
        execute(activation, output)
      } catch {
        // What was found before is right all the same; who renders the rest hears what is wrong with it.
      }
      const found = [...forks.finish(output)]
      return new Map(found.map(([count, forked]) => [count, new Beginning(forked, hasGeneration)]))
    },
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

/** Most are only compared: who wrote what is found out when it is asked for. */
class Beginning implements OwnedText {
  readonly #forked: ForkedText
  readonly #hasGeneration: boolean

  constructor(forked: ForkedText, hasGeneration: boolean) {
    this.#forked = forked
    this.#hasGeneration = hasGeneration
  }

  get text(): string {
    return this.#forked.text
  }

  get runs(): readonly Run[] {
    return this.#forked.runs
  }

  get generationSpans(): readonly TextSpan[] {
    const { generationSpans, runs } = this.#forked
    return this.#hasGeneration ? spansOf(generationSpans, runs) : []
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
