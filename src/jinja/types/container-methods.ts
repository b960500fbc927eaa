import { Fault } from '../fault.ts'
import { refuseLeftOut } from '../left-out.ts'
import { spendSteps } from '../meter.ts'
import { bindMethod, defineBuiltins } from './builtin.ts'
import { isEqual } from './compare.ts'
import { keyOf } from './keys.ts'
import { dictItems, dictKeys, orElse, PyDict, PySequence, Undefined, type PyFunction } from './values.ts'

const dictMethods = defineBuiltins<PyDict>({
  'get(key, default=, /)': (self, [key = null, otherwise]) =>
    orElse(self.entries.get(keyOf(key)), orElse(otherwise, null)),
  'items()': (self) => new PySequence('dict_items', dictItems(self)),
  'keys()': (self) => new PySequence('dict_keys', dictKeys(self)),
  'values()': (self) => {
    spendSteps(self.entries.size)
    return new PySequence('dict_values', [...self.entries.values()])
  },
})

const sequenceMethods = defineBuiltins<PySequence>({
  'count(value, /)': ({ items }, [value = null]) => {
    spendSteps(items.length)
    return items.filter((item) => isEqual(item, value)).length
  },
  'index(value, start!, stop!, /)': ({ items }, [value = null]) => {
    spendSteps(items.length)
    const index = items.findIndex((item) => isEqual(item, value))
    if (index === -1) throw new Fault('ValueError', 'the value is not in the sequence')
    return index
  },
})

const insteadOfChanges =
  'a template changes nothing but namespaces; write namespace.all = namespace.all + [item]'

/** Methods that change their object, which jinja2's immutable sandbox refuses. */
const mutators: Readonly<Partial<Record<string, readonly string[]>>> = {
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
  list: ['append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort'],
}

/** Names that a dictionary has as methods, so that `object.name` is not its entry of that name. */
export const dictMethodNames: ReadonlySet<string> = new Set([
  ...dictMethods.keys(),
  ...(mutators['dict'] ?? []),
  'copy',
  'fromkeys',
])

/** A method of a container; throws for those that are left out. */
export function containerMethod(
  value: PyDict | PySequence,
  name: string,
): PyFunction | Undefined | undefined {
  if (value instanceof PyDict && !dictMethodNames.has(name)) return undefined
  const type = value instanceof PyDict ? 'dict' : value.type
  if (mutators[type]?.includes(name)) return new Undefined(`${type}.${name}() is unsafe: ${insteadOfChanges}`)
  refuseLeftOut(`${type} attribute`, name)
  if (value instanceof PyDict) {
    const method = dictMethods.get(name)
    return method && bindMethod(value, method)
  }
  const method = value.isView ? undefined : sequenceMethods.get(name)
  return method && bindMethod(value, method)
}
