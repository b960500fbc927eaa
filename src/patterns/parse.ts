import { foldsApart, foldsTogether, literalSource, wordSet } from './character-classes.ts'
import { makeCursor, type Cursor } from './cursor.ts'
import { onlyCharacterOf, readSetEscape, readSignEscape } from './escapes.ts'
import { readFlags, type Flags } from './flags.ts'
import { readClass } from './parse-class.ts'
import { readQuantifier } from './quantifiers.ts'
import type { Assertion, Dialect, Node, Syntax } from './syntax.ts'

/** Groups within each other; more would be a fault or an attack, and reading them takes stack. */
const maxDepth = 200

/**
 * Reads a pattern.
 *
 * @param place  where it stands, for error messages
 * @throws FettleError for what is no pattern, and for what is not read: calls of groups, conditions, what Unicode alone defines
 */
export function parsePattern(source: string, dialect: Dialect, place: string): Syntax {
  return makeParser(makeCursor(source, dialect, place))()
}

function makeParser(cursor: Cursor): () => Syntax {
  const { dialect, refuse, take, peek } = cursor
  const isPython = dialect === 'python'
  const word = wordSet(dialect)
  const names = new Map<string, number>()
  const referenced = new Set<number>()
  const closed = new Set<number>()
  let groups = 0
  let depth = 0

  /** Alternatives up to a `)` or the end. Oniguruma's flags hold to there, other alternatives included. */
  function alternatives(flags: Flags): Node {
    const choices: Node[] = []
    let nodes: Node[] = []
    const end = (): void => {
      choices.push(nodes.length === 1 ? nodes[0] : { type: 'sequence', nodes })
      nodes = []
    }
    while (!cursor.isAtEnd() && !peek(')')) {
      if (take('|')) end()
      else if (take('(?#')) skipComment()
      else {
        const flagged = isPython ? undefined : readFlags(cursor, flags, ')')
        if (flagged === undefined) nodes.push(repeated(flags, nodes.at(-1)))
        else nodes.push(alternatives(flagged))
      }
    }
    end()
    return choices.length === 1 ? choices[0] : { type: 'choice', nodes: choices }
  }

  function skipComment(): void {
    while (!take(')')) cursor.next()
  }

  function repeated(flags: Flags, before: Node | undefined): Node {
    const isGroup = peek('(')
    let node = atom(flags)
    checkFold(before, node, flags)
    for (let count = 0; ; count++) {
      const quantifier = readQuantifier(cursor)
      if (quantifier === undefined) return node
      if (isPython && count > 0) throw refuse('a repetition of a repetition')
      if (isPython && node.type === 'assertion' && !isGroup)
        throw refuse('a repetition of what has no length')
      if (!isPython && isBareAssertion(node)) throw refuse('a repetition of what has no length')
      if (count > 20) throw refuse('more than 20 repetitions of one part')
      node = { type: 'repeat', node, ...quantifier }
    }
  }

  function checkFold(before: Node | undefined, node: Node, { ignoreCase }: Flags): void {
    if (isPython || !ignoreCase || before?.type !== 'character' || node.type !== 'character') return
    const two = `${before.literal ?? ''}${node.literal ?? ''}`
    if (foldsTogether(two)) throw refuse(`'${two}' without regard to case`)
  }

  function atom(flags: Flags): Node {
    const character = cursor.next()
    switch (character) {
      case '(':
        return group(flags)
      case '[':
        return {
          type: 'character',
          set: { source: readClass(cursor, flags.ignoreCase), ignoreCase: flags.ignoreCase },
        }
      case '.':
        return setOf(flags.dotAll ? String.raw`[\p{Any}]` : String.raw`[^\n]`)
      case '\\':
        return escape(flags)
      case '^':
        return assert(isPython && !flags.multiline ? 'text start' : 'line start')
      case '$':
        return assert(isPython && !flags.multiline ? 'text end or last newline' : 'line end')
      case '*':
      case '+':
      case '?':
        throw refuse(`'${character}' behind nothing`)
      default:
        return literal(character, flags)
    }
  }

  function setOf(source: string): Node {
    return { type: 'character', set: { source, ignoreCase: false } }
  }

  function literal(character: string, { ignoreCase }: Flags): Node {
    if (ignoreCase && !isPython && foldsApart(character))
      throw refuse(`'${character}' without regard to case`)
    return {
      type: 'character',
      set: { source: `[${literalSource(character)}]`, ignoreCase },
      literal: character,
    }
  }

  function assert(assertion: Assertion): Node {
    return { type: 'assertion', assertion, word }
  }

  function escape(flags: Flags): Node {
    if (take('A')) return assert('text start')
    if (take('b')) return assert('word border')
    if (take('B')) return assert('no word border')
    if (take('Z')) return assert(isPython ? 'text end' : 'text end or last newline')
    if (!isPython && take('z')) return assert('text end')
    const name = isPython ? undefined : cursor.match(/^k<(\w+)>/)?.[1]
    if (name !== undefined) return referTo(names.get(name), flags)
    const digits = cursor.match(/^[1-9]\d?/)?.[0]
    if (digits !== undefined) return referTo(names.size > 0 && !isPython ? undefined : Number(digits), flags)
    const set = readSetEscape(cursor, false)
    if (set === undefined) return literal(readSignEscape(cursor), flags)
    const only = onlyCharacterOf(set)
    return only === undefined ? setOf(set) : literal(only, flags)
  }

  function referTo(index: number | undefined, { ignoreCase }: Flags): Node {
    if (index === undefined || !closed.has(index))
      throw refuse('a reference to a group that is not there yet')
    if (ignoreCase) throw refuse('a reference without regard to case')
    referenced.add(index)
    return { type: 'reference', index }
  }

  function group(flags: Flags): Node {
    if (++depth > maxDepth) throw refuse(`more than ${maxDepth} groups within each other`)
    const node = groupInside(flags)
    if (!take(')')) throw refuse("a '(' without ')'")
    depth--
    return node
  }

  function groupInside(flags: Flags): Node {
    if (!take('?')) return captured(flags)
    if (take(':')) return alternatives(flags)
    if (take('>')) return { type: 'atomic', node: alternatives(flags) }
    const look = ['<=', '<!', '=', '!'].find(take)
    if (look !== undefined)
      return {
        type: 'look',
        isBehind: look.startsWith('<'),
        isNegative: look.endsWith('!'),
        node: alternatives(flags),
      }
    const name = cursor.match(isPython ? /^P<([A-Za-z_]\w*)>/ : /^<([A-Za-z_]\w*)>/)?.[1]
    if (name !== undefined) {
      if (names.has(name)) throw refuse(`two groups '${name}'`)
      names.set(name, groups + 1)
      return captured(flags)
    }
    const earlier = isPython ? cursor.match(/^P=(\w+)/)?.[1] : undefined
    if (earlier !== undefined) return referTo(names.get(earlier), flags)
    const flagged = readFlags(cursor, flags, ':')
    if (flagged === undefined) throw refuse(`'(?${cursor.isAtEnd() ? '' : cursor.next()}'`)
    // Of one, so that Oniguruma's rule for what may be repeated does not see through it.
    return { type: 'sequence', nodes: [alternatives(flagged)] }
  }

  function captured(flags: Flags): Node {
    const index = ++groups
    const node = alternatives(flags)
    closed.add(index)
    return { type: 'group', node, index }
  }

  return () => {
    const none: Flags = { ignoreCase: false, dotAll: false, multiline: false }
    // Python's flags for the whole pattern stand at its beginning.
    const root = alternatives((isPython ? readFlags(cursor, none, ')') : undefined) ?? none)
    if (!cursor.isAtEnd()) throw refuse("a ')' without '('")
    return { root, referenced }
  }
}

/** What Oniguruma does not repeat. */
function isBareAssertion(node: Node): boolean {
  return (
    node.type === 'assertion' ||
    node.type === 'look' ||
    (node.type === 'choice' && node.nodes.some(isBareAssertion))
  )
}
