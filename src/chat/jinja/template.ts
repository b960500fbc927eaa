import { FettleError } from '../../error.ts'
import { adoptMessages, adoptValue } from './adopt.ts'
import { compileBody, compileEntry } from './compile-statement.ts'
import { Fault, placeOf } from './fault.ts'
import { lookUpGlobal } from './globals.ts'
import { tokenize } from './lexer.ts'
import { parseTemplate } from './parser.ts'
import { resetMeter } from './meter.ts'
import { resetRenderState } from './render-state.ts'
import { Output, type Activation, type Render } from './runtime.ts'
import { findUndeclared } from './undeclared.ts'
import { compileBlocks, selfReference } from './compile-block.ts'
import type { Frame } from './compile-expression.ts'
import { analyze, Symbols, Unit } from './scope.ts'
import { type Run, type Source } from './text.ts'
import { PyList, type Value } from './values.ts'
import type { Message, Rendered, Segment, TextSpan } from '../messages.ts'

/** What a chat template can be given; keys that are not named here reach it under their own names. */
export interface RenderOptions {
  messages: readonly Message[]
  tools?: readonly unknown[] | null | undefined
  documents?: readonly unknown[] | null | undefined
  /** Ends the text with the beginning of an assistant turn: `add_generation_prompt`. */
  addGenerationPrompt?: boolean | undefined
  bosToken?: string | undefined
  eosToken?: string | undefined
  /** What `strftime_now` shows (default: the moment of rendering). */
  now?: Date | undefined
  /** Uniform numbers in [0, 1) for the filter `random` and for `lipsum` (default: Math.random). */
  random?: (() => number) | undefined
  [variable: string]: unknown
}

/** A compiled chat template. */
export interface ChatTemplate {
  /** The source as it was given. */
  readonly source: string
  /** Whether it has `{% generation %}` blocks. */
  readonly hasGeneration: boolean
  /** Renders a conversation; every character of the text knows who wrote it. */
  render(options: RenderOptions): Rendered
  /** Renders several beginnings of one conversation, whose values are converted once for all of them. */
  prepare(options: RenderOptions): RenderBeginning
}

/** Renders the first `count` messages of a prepared conversation. */
export type RenderBeginning = (count: number, addGenerationPrompt: boolean) => Rendered

const renamed: Readonly<Record<string, string>> = {
  addGenerationPrompt: 'add_generation_prompt',
  bosToken: 'bos_token',
  eosToken: 'eos_token',
}

/** Compiles a chat template. Throws a FettleError with line and column where jinja2 would not compile it. */
export function parseChatTemplate(template: string): ChatTemplate {
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

  const run = (lookUp: Resolve, random: () => number): Rendered => {
    resetMeter()
    resetRenderState(random)
    const exported = frame.blocks.size > 0 ? new Map<string, Value>() : undefined
    const resolve: Resolve = exported
      ? (name) => (exported.has(name) ? exported.get(name) : lookUp(name))
      : lookUp
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
  }

  return {
    source: template,
    hasGeneration: tokens.some(
      (token, index) => token.value === 'generation' && tokens[index - 1]?.type === 'block_begin',
    ),
    render: (options) => run(makeResolver(options)(), options.random ?? Math.random),
    prepare: (options) => {
      const resolver = makeResolver(options)
      return (count, addGenerationPrompt) =>
        run(resolver({ count, addGenerationPrompt }), options.random ?? Math.random)
    },
  }
}

type Resolve = (name: string) => Value | undefined

/**
 * Looks names up among the variables first, then among the globals; values are converted when first asked for, and
 * once for all beginnings of the conversation: no template can change them.
 */
function makeResolver({
  now,
  messages,
  ...variables
}: RenderOptions): (beginning?: { count: number; addGenerationPrompt: boolean }) => Resolve {
  const given = new Map<string, unknown>()
  // transformers passes these always, so that they are None and false rather than undefined.
  given.set('tools', null)
  given.set('documents', null)
  given.set('add_generation_prompt', false)
  for (const [name, value] of Object.entries(variables)) {
    if (value !== undefined) given.set(Object.hasOwn(renamed, name) ? (renamed[name] ?? name) : name, value)
  }
  given.delete('random')
  const adopted = new Map<string, Value>()
  const resolve: Resolve = (name) => {
    const known = adopted.get(name)
    if (known !== undefined) return known
    if (!given.has(name)) return lookUpGlobal(name, now)
    const value = adoptValue(given.get(name))
    adopted.set(name, value)
    return value
  }
  let all: readonly Value[] | undefined
  return (beginning) => {
    let shown: PyList | undefined
    return (name) => {
      if (name === 'messages') {
        all ??= adoptMessages(messages)
        shown ??= new PyList(beginning === undefined ? all : all.slice(0, beginning.count))
        return shown
      }
      if (name === 'add_generation_prompt' && beginning !== undefined) return beginning.addGenerationPrompt
      return resolve(name)
    }
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

function finish(output: Output): Rendered {
  const text = output.builder.plainValue
  const runs = output.builder.allRuns
  return { text, segments: segmentsOf(runs), generationSpans: spansOf(output.generationSpans ?? [], runs) }
}

function segmentsOf(runs: readonly Run[]): Segment[] {
  const segments: Segment[] = []
  let start = 0
  for (const { end, source } of runs) {
    const last = segments.at(-1)
    if (last !== undefined && last.message === source?.message && last.field === source?.field) last.end = end
    else segments.push(segmentOf(start, end, source))
    start = end
  }
  return segments
}

function segmentOf(start: number, end: number, source: Source | undefined): Segment {
  if (source?.message === undefined) return { start, end }
  return source.field === undefined
    ? { start, end, message: source.message }
    : { start, end, message: source.message, field: source.field }
}

/** The template's own generation spans and those that came out of macros and set blocks. */
function spansOf(direct: readonly TextSpan[], runs: readonly Run[]): TextSpan[] {
  const spans = [...direct]
  let open: { generation: object; start: number; end: number } | undefined
  let start = 0
  for (const { end, source } of runs) {
    const generation = source?.generation
    if (open !== undefined && open.generation !== generation) {
      spans.push({ start: open.start, end: open.end })
      open = undefined
    }
    if (generation !== undefined) open = { generation, start: open?.start ?? start, end }
    start = end
  }
  if (open !== undefined) spans.push({ start: open.start, end: open.end })
  return spans.toSorted((left, right) => left.start - right.start)
}
