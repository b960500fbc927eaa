import { oddKey, oddText } from './odd-values.ts'
import type { Random } from './random.ts'

/** JSON as it stands: numbers as they are written, keys in their order and twice where they stand twice. */
type Node =
  | { kind: 'text'; text: string }
  | { kind: 'array'; items: Node[] }
  | { kind: 'object'; entries: [key: string, value: Node][] }

/**
 * Changes one to three values, keys or places of a JSON text.
 *
 * @param odd  a value that this reader should meet often, written as JSON; without it the usual odd ones
 */
export function mutateJson(random: Random, text: string, odd?: (random: Random) => string): string {
  const root = toNode(JSON.parse(text))
  let mutated = root
  for (let count = 1 + random.below(3); count > 0; count -= 1) mutated = mutateOnce(random, mutated, odd)
  return print(mutated)
}

function toNode(value: unknown): Node {
  if (Array.isArray(value)) return { kind: 'array', items: value.map(toNode) }
  if (value !== null && typeof value === 'object')
    return { kind: 'object', entries: Object.entries(value).map(([key, item]) => [key, toNode(item)]) }
  return { kind: 'text', text: JSON.stringify(value) }
}

function print(node: Node): string {
  if (node.kind === 'text') return node.text
  if (node.kind === 'array') return `[${node.items.map(print).join(',')}]`
  return `{${node.entries.map(([key, value]) => `${JSON.stringify(key)}:${print(value)}`).join(',')}}`
}

/** Where a value stands: the node that holds it, and its index there. */
interface Place {
  holder: Node & { kind: 'array' | 'object' }
  index: number
}

/** A random place, found by walking down, so that large vocabularies do not hide everything else. */
function randomPlace(random: Random, root: Node): Place | undefined {
  let place: Place | undefined
  let node = root
  for (;;) {
    if (node.kind === 'text') return place
    const count = node.kind === 'array' ? node.items.length : node.entries.length
    if (count === 0 || (place !== undefined && random.next() < 0.2)) return place
    place = { holder: node, index: random.below(count) }
    node = valueAt(place)
  }
}

const valueAt = ({ holder, index }: Place): Node =>
  holder.kind === 'array' ? holder.items[index] : holder.entries[index][1]

function setValue({ holder, index }: Place, value: Node): void {
  if (holder.kind === 'array') holder.items[index] = value
  else holder.entries[index][1] = value
}

function mutateOnce(random: Random, root: Node, odd: ((random: Random) => string) | undefined): Node {
  const place = randomPlace(random, root)
  const oddNode = (): Node => ({
    kind: 'text',
    text: odd && random.next() < 0.5 ? odd(random) : oddText(random),
  })
  if (place === undefined || random.next() < 0.01) return oddNode()
  const { holder, index } = place
  const value = valueAt(place)
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2:
      setValue(place, oddNode())
      break
    case 3:
      if (holder.kind === 'array') holder.items.splice(index, 1)
      else holder.entries.splice(index, 1)
      break
    case 4:
      if (holder.kind === 'array') holder.items.splice(index, 0, random.next() < 0.5 ? value : oddNode())
      else
        holder.entries.splice(index, 0, [
          random.next() < 0.3 ? holder.entries[index][0] : oddKey(random),
          oddNode(),
        ])
      break
    case 5:
      if (holder.kind === 'object')
        holder.entries[index][0] = random.next() < 0.5 ? oddKey(random) : random.of(holder.entries)[0]
      else holder.items.reverse()
      break
    case 6: {
      const other = randomPlace(random, root)
      if (other) setValue(place, valueAt(other) === root ? oddNode() : structuredClone(valueAt(other)))
      break
    }
    case 7:
      setValue(
        place,
        random.next() < 0.5
          ? { kind: 'array', items: [value] }
          : { kind: 'text', text: JSON.stringify(print(value)) },
      )
      break
    case 8:
      if (value.kind === 'text' && Number.isFinite(Number(value.text)))
        setValue(place, { kind: 'text', text: String(Number(value.text) * random.of([-1, 2, 10, 0.5, 1e6])) })
      else if (value.kind === 'array') setValue(place, { kind: 'array', items: [] })
      else setValue(place, oddNode())
      break
    default:
      // Many of what is small: a file of gigabytes is another test.
      if (holder.kind === 'array' && holder.items.length < 100 && print(value).length < 5000)
        holder.items.push(...Array.from({ length: 500 }, () => value))
      else setValue(place, oddNode())
  }
  return root
}
