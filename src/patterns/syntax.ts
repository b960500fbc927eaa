/** The two languages of patterns: Oniguruma's of tokenizer.json (in its Ruby syntax), and that of Python's `re`. */
export type Dialect = 'oniguruma' | 'python'

/** A set of characters: a class in JavaScript's `v` syntax. */
export interface CharacterSet {
  readonly source: string
  readonly ignoreCase: boolean
}

/** How a repetition chooses: as many as can be, as few as can be, or as many as can be and never fewer. */
export type RepeatMode = 'greedy' | 'lazy' | 'possessive'

export type Assertion =
  | 'text start'
  | 'text end'
  | 'text end or last newline'
  | 'line start'
  | 'line end'
  | 'word border'
  | 'no word border'

/** A pattern as it is read. */
export type Node =
  | { type: 'character'; set: CharacterSet; /** The one character of the set. */ literal?: string }
  | { type: 'sequence'; nodes: readonly Node[] }
  | { type: 'choice'; nodes: readonly Node[] }
  | { type: 'repeat'; node: Node; min: number; max: number; mode: RepeatMode }
  | { type: 'group'; node: Node; index: number }
  | { type: 'atomic'; node: Node }
  | { type: 'look'; node: Node; isBehind: boolean; isNegative: boolean }
  | { type: 'assertion'; assertion: Assertion; word: CharacterSet }
  | { type: 'reference'; index: number }

/** What a pattern is read into. */
export interface Syntax {
  readonly root: Node
  /** Groups that later parts of the pattern refer to. */
  readonly referenced: ReadonlySet<number>
}

/** The fewest and the most characters that a part of a pattern matches. */
export function lengthsOf(node: Node): { min: number; max: number } {
  switch (node.type) {
    case 'character':
      return { min: 1, max: 1 }
    case 'sequence':
      return node.nodes.map(lengthsOf).reduce((a, b) => ({ min: a.min + b.min, max: a.max + b.max }), zero)
    case 'choice':
      return node.nodes
        .map(lengthsOf)
        .reduce((a, b) => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) }))
    case 'repeat': {
      const { min, max } = lengthsOf(node.node)
      return { min: min * node.min, max: max === 0 ? 0 : max * node.max }
    }
    case 'group':
    case 'atomic':
      return lengthsOf(node.node)
    case 'reference':
      return { min: 0, max: Infinity }
    case 'look':
    case 'assertion':
      return zero
  }
}

const zero = { min: 0, max: 0 }

/** The characters that a match can begin with; undefined where it may be empty, or begin with any. */
export function firstOf(node: Node): CharacterSet[] | undefined {
  switch (node.type) {
    case 'character':
      return [node.set]
    case 'sequence': {
      const found: CharacterSet[] = []
      for (const part of node.nodes) {
        // Whether a match goes on after it does not depend on what looks at a place.
        if (part.type === 'look' || part.type === 'assertion') continue
        const optional = part.type === 'repeat' && part.min === 0
        const first = firstOf(optional ? part.node : part)
        if (first === undefined) return undefined
        found.push(...first)
        if (!optional) return found
      }
      return undefined
    }
    case 'choice': {
      const all = node.nodes.map(firstOf)
      return all.every((first) => first !== undefined) ? all.flat() : undefined
    }
    case 'repeat':
      return node.min === 0 ? undefined : firstOf(node.node)
    case 'group':
    case 'atomic':
      return firstOf(node.node)
    case 'reference':
    case 'look':
    case 'assertion':
      return undefined
  }
}
