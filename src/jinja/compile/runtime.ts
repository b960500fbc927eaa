import { Fault } from '../fault.ts'
import { findGlobal } from '../filters/index.ts'
import { formFault } from '../left-out.ts'
import { spendCharacters } from '../meter.ts'
import type { GrowingList } from '../types/growing-list.ts'
import { toText } from '../types/print.ts'
import {
  Generated,
  makeText,
  ownerOf,
  plain,
  runsOf,
  TextBuilder,
  type Run,
  type Source,
  type Str,
} from '../types/text.ts'
import {
  bare,
  isStr,
  LoopContext,
  PyFunction,
  SafeText,
  typeFault,
  typeName,
  type Named,
  type Value,
} from '../types/values.ts'

/** Part of a text; offsets are UTF-16. */
export interface TextSpan {
  start: number
  end: number
}

/** One render: its variables, its moment, and where the template just is, for error messages. */
export interface Render {
  readonly lookUp: (name: string) => Value | undefined
  readonly now: Date | undefined
  position: number
  /** Where renders of beginnings of the messages leave this one. */
  readonly forks?: RoundWatch
}

/** Is told of the rounds of a loop over the messages; see forks.ts. */
export interface RoundWatch {
  at(
    loop: unknown,
    list: GrowingList,
    drawn: number,
    activation: Activation,
    output: Output,
    goOn: (activation: Activation, output: Output) => void,
  ): void
}

/** What a name means that no statement assigns: a variable of the render, or a global function. */
export function resolveName({ lookUp, now }: Render, name: string): Value | undefined {
  const given = lookUp(name)
  return given === undefined ? findGlobal(name, now) : given
}

/** The variables of one call of a unit; a register that holds nothing is jinja2's `missing`. */
export interface Activation {
  readonly registers: (Value | undefined)[]
  readonly parent: Activation | undefined
  readonly render: Render
}

/** The activation of a unit that is called inside another. */
export function activate(parent: Activation): Activation {
  return { registers: [], parent, render: parent.render }
}

/** Where statements write: the template's text, or the buffer of a macro or block. */
export class Output {
  readonly builder = new TextBuilder()
  /** Spans of `{% generation %}` blocks; only the template's own text has them, buffers mark their runs. */
  readonly generationSpans: TextSpan[] | undefined

  constructor(isRoot: boolean) {
    this.generationSpans = isRoot ? [] : undefined
  }

  /** Writes a value as `{{ value }}` does. */
  write(value: Value): void {
    const text = toText(value)
    spendCharacters(plain(text).length)
    this.builder.append(text)
  }

  /** Writes what jinja2 hands on without printing it: the result of a call block or of a filter block. */
  writeStr(value: Value): void {
    if (!isStr(value) && !(value instanceof SafeText))
      throw new Fault('TypeError', `sequence item: expected str instance, ${typeName(value)} found`)
    this.write(value)
  }

  /** Writes what a generation block wrote, and notes that it did. */
  writeGenerated(text: Str): void {
    const start = this.builder.value.length
    if (this.generationSpans === undefined) this.write(markGenerated(text))
    else {
      this.write(text)
      this.generationSpans.push({ start, end: start + plain(text).length })
    }
  }

  /** What was written. */
  finish(): Str {
    return this.builder.finish()
  }
}

/** Marks all runs as made by one generation block, so that the mark survives buffers. */
function markGenerated(text: Str): Str {
  const block = {}
  const marked = new Map<Source | undefined, Source>()
  const runs = runsOf(text).map(({ end, source }): Run => {
    const known = marked.get(source) ?? new Generated(ownerOf(source), block)
    marked.set(source, known)
    return { end, source: known }
  })
  return plain(text) === '' ? '' : makeText(plain(text), runs)
}

/** Calls a value. */
export function callValue(callee: Value, positional: readonly Value[], named: Named): Value {
  const value = bare(callee)
  if (value instanceof PyFunction) return value.call(positional, named)
  if (value instanceof LoopContext) throw formFault('a recursive loop')
  throw typeFault(value, `'${typeName(value)}' object is not callable`)
}
