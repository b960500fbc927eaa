import { listNames, type Problem } from '../../../error.ts'
import type { StoredTensors } from './stored-tensors.ts'

/** `language_model.model.layers.0…` of older files, `model.language_model.layers.0…` of newer ones. */
const inner = /^(?:model\.)?(?:language_model|text_model)\.(?:model\.)?(.+)$/

/** The text model's tensors in files that hold nothing else beside them. */
const alone = /^model\.((?:layers|embed_tokens|norm)\..+)$/

/** What a tensor of the text model is called under `root`; undefined for those of other parts. */
function textName(name: string, root: string): string | undefined {
  const rest = inner.exec(name)?.[1] ?? alone.exec(name)?.[1] ?? name
  if (rest.startsWith('lm_head.')) return rest
  return rest === name ? undefined : `${root}.${rest}`
}

/**
 * The tensors of a text model that is inside of another one, under the names that the newest transformers has for them, and
 * what the parts are called that are left out.
 */
export function textTensors(stored: StoredTensors, root: string): { text: StoredTensors; left: string[] } {
  const originals = new Map<string, string>()
  const left = new Set<string>()
  for (const name of stored.names) {
    const text = textName(name, root)
    if (text !== undefined) originals.set(text, name)
    else left.add(name.replace(/^model\./, '').replace(/\..*$/, ''))
  }
  const found = <T>(name: string, find: (original: string) => T | undefined) => {
    const original = originals.get(name)
    return original === undefined ? undefined : find(original)
  }
  const text: StoredTensors = {
    ...stored,
    names: [...originals.keys()],
    find: (name) => {
      const tensor = found(name, stored.find)
      return tensor && { ...tensor, name }
    },
    quantized: (name) => {
      const tensor = found(name, stored.quantized)
      return tensor && { ...tensor, names: tensor.names.map((each) => textName(each, root) ?? each) }
    },
  }
  return { text, left: [...left] }
}

/** What to say of the parts that are left out; nothing where there are none. */
export function leftNotice(place: string, left: readonly string[]): Problem[] {
  if (left.length === 0) return []
  return [{ place, found: `parts beside the text model, which fettle does not read: ${listNames(left)}` }]
}
