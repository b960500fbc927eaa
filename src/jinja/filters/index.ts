// What templates call by name: filters (`value | name`), tests (`value is name`) and global functions.
// Each family is a table of headers as Python writes them; what is not in one is looked up in left-out.ts.
// Filters that apply others (map, select) are given the tables here.
import { Fault } from '../fault.ts'
import { unknownName } from '../left-out.ts'
import { spendReading, spendSteps } from '../meter.ts'
import { callBuiltin, type Builtin } from '../types/builtin.ts'
import { plain } from '../types/text.ts'
import { isStr, type Named, type Value } from '../types/values.ts'
import { choosingFilters } from './choose.ts'
import { itemFilters } from './items.ts'
import { numberFilters } from './numbers.ts'
import { tests } from './tests.ts'
import { textFilters } from './texts.ts'

export { checkNamespaceName, findGlobal, globalNames } from './globals.ts'

/** A filter or a test, ready to be called with a value and its arguments. */
type Apply<Result> = (value: Value, positional: readonly Value[], named: Named) => Result

function ready<Result>(
  table: ReadonlyMap<string, Builtin<Value, Result>>,
): ReadonlyMap<string, Apply<Result>> {
  return new Map(
    Array.from(table, ([name, builtin]) => [
      name,
      (value, positional, named) => {
        spendSteps(1)
        if (isStr(value)) spendReading(plain(value).length)
        return callBuiltin(builtin, value, positional, named)
      },
    ]),
  )
}

/** The tests by name. */
export const readyTests = ready(tests)

/** The filters by name. */
export const readyFilters: ReadonlyMap<string, Apply<Value>> = ready(
  new Map([
    ...textFilters,
    ...itemFilters,
    ...numberFilters,
    ...choosingFilters({
      filter: (name) => readyFilters.get(name) ?? failWith('filter', name),
      test: (name) => readyTests.get(name) ?? failWith('test', name),
    }),
  ]),
)

/** What is wrong with the name of a filter or a test that there is not. */
export function unknownBuiltin(kind: 'filter' | 'test', name: string): { found: string; cure?: string } {
  return unknownName(kind, name, (kind === 'filter' ? readyFilters : readyTests).keys())
}

/** Throws that there is no such filter or test, when a template reaches it. */
export function failWith(kind: 'filter' | 'test', name: string): never {
  const { found, cure } = unknownBuiltin(kind, name)
  throw new Fault('TemplateError', found, cure)
}
