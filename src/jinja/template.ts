import { FettleError } from '../error.ts'
import { compileBody, compileEntry } from './compile/statement.ts'
import { Fault, placeOf } from './fault.ts'
import { lookUpGlobal } from './filters/globals.ts'
import { tokenize } from './parse/lexer.ts'
import { parseTemplate } from './parse/statement.ts'
import { resetMeter } from './meter.ts'
import { resetRenderState } from './render-state.ts'
import { Output, type Activation, type Render, type TextSpan } from './compile/runtime.ts'
import { findUndeclared } from './compile/undeclared.ts'
import { compileBlocks, selfReference } from './compile/block.ts'
import type { Frame } from './compile/expression.ts'
import { analyze, Symbols, Unit } from './compile/scope.ts'
import { Generated, ownerOf, type Owner, type Run } from './types/text.ts'
import { type Value } from './types/values.ts'

/** A text whose characters have owners. */
export interface OwnedText {
  readonly text: string
  /** The owner of the characters up to each `end` (UTF-16, exclusive); the template itself where it is undefined. */
  readonly runs: readonly { readonly end: number; readonly owner: Owner | undefined }[]
  /** What stood inside `{% generation %}`. */
  readonly generationSpans: TextSpan[]
}

/** A compiled template. */
export interface Template {
  /** Whether it has `{% generation %}` blocks. */
  readonly hasGeneration: boolean
  /** Runs it: `lookUp` gives its variables, `now` is what `strftime_now` shows. */
  render(
    lookUp: (name: string) => Value | undefined,
    settings?: { now?: Date | undefined; random?: (() => number) | undefined },
  ): OwnedText
}

/** Compiles a template. Throws a FettleError with line and column where jinja2 would not compile it. */
export function compileTemplate(template: string): Template {
  const { source, tokens } = tokenize(template)
  const statements = parseTemplate(source, tokens)
  const unit = new Unit()
  const symbols = new Symbols(unit)
  const selfSlot = findUndeclared(statements, ['self']).has('self')
    ? symbols.declare('self').index
    : undefined
  analyze(symbols, statements)
  const frame: Frame = {
    source,
    symbols,
    unit,
    isSoft: false,
    isInLoop: false,
    isOutermost: true,
    autoescape: false,
    isVolatile: false,
    isFolding: false,
    blocks: new Map(),
  }
  resetMeter()
  const enterFrame = compileEntry(frame)
  const execute = compileBody(statements, frame)
  compileBlocks(statements, frame)

  return {
    hasGeneration: tokens.some(
      (token, index) => token.value === 'generation' && tokens[index - 1]?.type === 'block_begin',
    ),
    render(lookUp, { now, random = Math.random } = {}) {
      resetMeter()
      resetRenderState(random)
      const exported = frame.blocks.size > 0 ? new Map<string, Value>() : undefined
      const resolve = (name: string): Value | undefined => {
        const value = exported?.get(name)
        if (value !== undefined) return value
        const given = lookUp(name)
        return given === undefined ? lookUpGlobal(name, now) : given
      }
      const render: Render = { resolve, exported, position: 0 }
      const activation: Activation = { slots: [], parent: undefined, render }
      if (selfSlot !== undefined) activation.slots[selfSlot] = selfReference(frame, render)
      try {
        const output = new Output(true)
        enterFrame(activation)
        execute(activation, output)
        return finish(output)
      } catch (error) {
        throw describe(error, source, activation.render.position)
      }
    },
  }
}

function describe(error: unknown, source: string, position: number): unknown {
  if (error instanceof Fault) {
    const found =
      error.kind === 'TemplateError' || error.kind === 'Limit'
        ? error.message
        : `${error.kind}: ${error.message}`
    return new FettleError(
      { place: placeOf(source, position), found: found.replace(/\.$/, '') },
      { cause: error },
    )
  }
  // The stack's or a string's own limit, should a template get past those of limits.ts.
  if (error instanceof RangeError) {
    return new FettleError(
      { place: placeOf(source, position), found: `the template goes too far: ${error.message}` },
      { cause: error },
    )
  }
  return error
}

function finish(output: Output): OwnedText {
  const runs = output.builder.allRuns
  return {
    text: output.builder.plainValue,
    runs: runs.map(({ end, source }) => ({ end, owner: ownerOf(source) })),
    generationSpans: spansOf(output.generationSpans ?? [], runs),
  }
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
