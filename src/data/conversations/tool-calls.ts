import { FettleError } from '../../error.ts'
import { describeValue, isJsonObject } from '../../formats/json/index.ts'
import { parseJson } from '../../formats/index.ts'

/**
 * The calls of a message that is a call, as LLaMA-Factory and ms-swift write them: the JSON text of
 * `{ name, arguments }`, or of a list of such.
 *
 * @throws FettleError that says what is wrong with the text
 */
export function readCalls(place: string, name: string, value: unknown): unknown[] {
  const given = typeof value === 'string' ? parseJson(value, `${place}: ${name}`) : value
  const calls = Array.isArray(given) ? given : [given]
  if (calls.length === 0)
    throw new FettleError({ place, found: `${name} with an empty list`, expected: 'a call in it' })
  return calls.map((call: unknown) => readCall(place, name, call))
}

function readCall(place: string, name: string, call: unknown): unknown {
  if (isJsonObject(call)) {
    if (isJsonObject(call['function']) && typeof call['function']['name'] === 'string') return call
    if (typeof call['name'] === 'string') return { type: 'function', function: call }
  }
  throw new FettleError({
    place,
    found: `${name} is ${isJsonObject(call) ? 'a call without name' : describeValue(call)}`,
    expected: '{"name": …, "arguments": …}, or a list of such',
  })
}

/** The tools of a row: a list, the JSON text of one, or a list of JSON texts, as datasets whose columns need one type have it. */
export function readTools(
  place: string,
  { tools, functions }: Readonly<Record<string, unknown>>,
): unknown[] | undefined {
  const name = isAbsent(tools) ? 'functions' : 'tools'
  const given = isAbsent(tools) ? functions : tools
  if (isAbsent(given)) return undefined
  if (!isAbsent(tools) && !isAbsent(functions))
    throw new FettleError({ place, found: 'both tools and functions', expected: 'one of them' })
  const list = typeof given === 'string' ? readToolText(place, name, given) : given
  if (!Array.isArray(list)) throw notTools(place, name, list)
  const read = list.map((tool: unknown, i) => {
    const item = typeof tool === 'string' ? parseJson(tool, `${place}: ${name}[${i}]`) : tool
    if (!isJsonObject(item))
      throw new FettleError({
        place,
        found: `${name}[${i}] is ${describeValue(item)}`,
        expected: 'a function with name and parameters',
      })
    // OpenAI's first API had functions without this frame, which templates know.
    return name === 'tools' || 'function' in item ? item : { type: 'function', function: item }
  })
  return read.length === 0 ? undefined : read
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === ''
}

function readToolText(place: string, name: string, text: string): unknown {
  try {
    return parseJson(text, name)
  } catch (error) {
    const problem = error instanceof FettleError ? error.problems[0] : undefined
    throw notTools(place, name, text, problem?.cure && `It is ${problem.found}. ${problem.cure}`)
  }
}

function notTools(place: string, name: string, found: unknown, cure?: string): FettleError {
  return new FettleError({
    place,
    found: `${name} is ${describeValue(found)}`,
    expected: 'a list of functions, or its JSON text',
    ...(cure !== undefined && { cure }),
  })
}
