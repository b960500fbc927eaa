import { closestName } from '../closest-name.ts'
import type { Problem } from '../error.ts'
import { Fault } from './fault.ts'

/*
 * What Python's Jinja has and chat templates do without. Whoever writes one of these names is told so, and what to
 * write instead. The test of the builtins holds these tables against the names that Python lists.
 */

const noBytes = 'A template has texts only: leave bytes to whoever prepares the messages.'
const noEscaping =
  "Nothing is escaped in a chat template; where it must be, write value | replace('<', '&lt;')."
const alone = 'A chat template stands alone: write the text, or a macro for it, into this one.'
const noUnsafe = 'Leave out `| safe`: nothing is escaped in a chat template.'
const recursion = 'Write a macro that calls itself, with what it needs as its arguments.'
const literal = 'Write the text or the number itself.'
const ofList = 'Write value | list, and take its items.'
const ofDict = 'Use the dictionary itself: nothing can change it.'
const padding = 'Write numbers with value | round(2), and pad texts with value.rjust(5) or value.zfill(5).'

/** Names that have one cure. */
function all(names: string, cure: string): Readonly<Record<string, string>> {
  return Object.fromEntries(names.split(' ').map((name) => [name, cure]))
}

const ofInteger = {
  ...all('as_integer_ratio bit_count bit_length conjugate denominator imag numerator real', literal),
  ...all('from_bytes to_bytes', noBytes),
}
const ofText = {
  casefold: 'Write value.lower().',
  encode: noBytes,
  expandtabs: "Write value.replace('\\t', '    ').",
  format_map: 'Write value.format(**mapping).',
  istitle: 'Write value == value.title().',
  swapcase: 'Write value.upper() or value.lower().',
  ...all('isascii isidentifier isprintable', 'Write value in [the, texts, that, you, expect].'),
  ...all('maketrans translate', 'Write value.replace(old, new).'),
}

/** By kind and name: what to write instead. */
const leftOut: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  tag: {
    autoescape: noEscaping,
    block: 'Write {% macro name() %}…{% endmacro %}{{ name() }}.',
    debug: 'Write {{ value }}; transformers has no {% debug %} either.',
    do: 'Write {% set ignored = … %}; transformers has no {% do %} either.',
    ...all('extends from import include', alone),
    print: 'Write {{ value }}.',
    trans: 'Write the text; transformers has no {% trans %} either.',
    with: 'Write {% set name = value %}.',
  },
  filter: {
    attr: 'Write value.name.',
    batch: 'Write value[i:i + 3] in a loop over range(0, value | length, 3).',
    center: 'Write value.center(80).',
    ...all('e escape forceescape', noEscaping),
    filesizeformat: "Write (value / 1000) | round(1) ~ ' kB'.",
    groupby: "Write a loop over value | map(attribute='name') | unique.",
    pprint: 'Write value | tojson(indent=2).',
    random: 'A template gives the same text each time: write value | first.',
    slice: 'Write value[start:end].',
    truncate: "Write value[:80] ~ '…'.",
    urlencode: "Write value | replace(' ', '%20').",
    urlize: literal,
    wordcount: 'Write value.split() | length.',
    ...all('striptags wordwrap', 'Do it before the messages reach the template.'),
    xmlattr: 'Write a loop over value.items().',
  },
  test: {
    callable: 'Write value is defined.',
    escaped: noEscaping,
    ...all('filter test', 'Write its name: an unknown one is reported.'),
  },
  function: {
    cycler: 'Write loop.cycle(first, second).',
    joiner: "Write {{ ', ' if not loop.first }}.",
    lipsum: literal,
  },
  argument: {
    base: literal,
    ...all('start end stop', 'Write value[start:end] before the method.'),
  },
  'str attribute': ofText,
  'Markup attribute': { ...ofText, ...all('escape striptags unescape', noUnsafe) },
  'dict attribute': { copy: ofDict, fromkeys: 'Write dict(pairs).' },
  'list attribute': { copy: 'Use the list itself: nothing can change it.' },
  'dict_keys attribute': { isdisjoint: 'Write a loop with `in`.', mapping: ofDict },
  'dict_items attribute': { isdisjoint: 'Write a loop with `in`.', mapping: ofDict },
  'dict_values attribute': { mapping: ofDict },
  'range attribute': all('start step stop', ofList),
  'bool attribute': ofInteger,
  'int attribute': ofInteger,
  'float attribute': {
    ...all('as_integer_ratio conjugate fromhex hex imag real', literal),
    is_integer: 'Write value == value | int.',
  },
  'function attribute': {
    ...all('arguments caller catch_kwargs catch_varargs explicit_caller name', literal),
    fromkeys: 'Write dict(pairs).',
  },
  'generator attribute': all('close gi_running gi_suspended gi_yieldfrom send throw', ofList),
  'LoopContext attribute': all('depth depth0', recursion),
}

/** Forms, rather than names, that are left out. */
const forms = {
  'a recursive loop': recursion,
  'a macro of any number of arguments': 'Give it a list as its argument.',
  'a complex number': 'Take powers with fractions of positive numbers only.',
  'arithmetic beyond 2^53': 'Compute before the messages reach the template.',
  'rounding to tens': 'Write value // 10 * 10.',
  'arithmetic of sets': 'Write a loop with `in`.',
  'a format with flags, a width, a precision or another letter than d, r or s': padding,
  'a named field of %': "Write '{name}'.format(name=value).",
  'a field with a conversion, a format or a path': `Write '{}'.format(value.name). ${padding}`,
  'adding to a `safe` text what Python would escape': noUnsafe,
  'a method or an item of a `safe` text': noUnsafe,
  'a directive of strftime for anything but a date or a time': "Write strftime_now('%Y-%m-%d') or the like.",
  'an index of several parts': 'Write value[first][second].',
  'a key that is no data': 'Take a text or a number as the key.',
  'printing a value that is no data': 'Call the function, write value | list, or name an attribute.',
} satisfies Readonly<Record<string, string>>

/** A form that is left out. */
export type Form = keyof typeof forms

type NamePart = Omit<Problem, 'place'>

function leaveOut(what: string, cure: string): { found: string; cure: string } {
  return { found: `${what}, which fettle's Jinja leaves out`, cure }
}

function tableOf(kind: string): Readonly<Record<string, string>> {
  return (Object.hasOwn(leftOut, kind) ? leftOut[kind] : undefined) ?? {}
}

function cureOf(kind: string, name: string): string | undefined {
  const table = tableOf(kind)
  return Object.hasOwn(table, name) ? table[name] : undefined
}

/** All names of a kind that are left out. */
export function leftOutNames(kind: string): readonly string[] {
  return Object.keys(tableOf(kind))
}

/** What is wrong with a name that is not known: it is left out, or was perhaps meant to be another. */
export function unknownName(
  kind: 'tag' | 'filter' | 'test',
  name: string,
  known: Iterable<string>,
): NamePart {
  const cure = cureOf(kind, name)
  if (cure !== undefined) return leaveOut(`the ${kind} '${name}'`, cure)
  const near = closestName(name, known)
  const found = kind === 'tag' ? `unknown tag '${name}'` : `no ${kind} named '${name}'`
  return near === undefined ? { found } : { found, cure: `Did you mean ${near}?` }
}

/** The fault of reaching a name that is left out; `undefined` for any other name. */
export function leftOutFault(kind: string, name: string): Fault | undefined {
  const cure = cureOf(kind, name)
  if (cure === undefined) return undefined
  return new Fault('LeftOut', leaveOut(`the ${kind} '${name}'`, cure).found, cure)
}

/** Throws where Python's value has an attribute that is left out. */
export function refuseLeftOut(kind: string, name: string): void {
  const fault = leftOutFault(kind, name)
  if (fault !== undefined) throw fault
}

/** What is wrong with a form that is left out. */
export function leftOutForm(form: Form): { found: string; cure: string } {
  return leaveOut(form, forms[form])
}

/** The fault of reaching a form that is left out. */
export function formFault(form: Form): Fault {
  const { found, cure } = leftOutForm(form)
  return new Fault('LeftOut', found, cure)
}
