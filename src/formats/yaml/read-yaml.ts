import {
  LineCounter,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Document,
  type Node,
} from 'yaml'
import { FettleError, clipText, messageOf, type Problem } from '../../error.ts'

/** What a YAML text says, and where. */
export interface YamlFile {
  /** null where it says nothing. */
  value: unknown
  /** Where the key of the last part of a path that exists begins: `run.yaml:7`. */
  placeOf(path: readonly (string | number)[]): string
}

/** Nobody writes a longer run file by hand; a parser takes a second for some MiB. */
const mostCharacters = 1 << 20

/**
 * Reads YAML.
 *
 * @param place  the file, for messages
 * @throws FettleError with line and column of everything that is wrong
 */
export function readYaml(text: string, place: string): YamlFile {
  if (text.length > mostCharacters)
    throw new FettleError({
      place,
      found: `${text.length} characters`,
      expected: `YAML of at most ${mostCharacters}`,
      cure: 'Data does not belong here: name its files.',
    })
  const lines = new LineCounter()
  const placeAt = (offset: number) => `${place}:${lines.linePos(offset).line}`
  const problemAt = (offset: number, what: string): Problem => ({
    place: placeAt(offset),
    found: `not YAML: ${clipText(what, 160)} (column ${lines.linePos(offset).col})`,
    expected: 'lines like learning_rate: 2.0e-4',
  })
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const problems = document.errors.map(({ pos, code, message }) =>
    problemAt(pos[0], code === 'RESOURCE_EXHAUSTION' ? 'nested too deeply' : message),
  )
  if (problems.length === 0) problems.push(...brokenNodes(document, problemAt))
  if (problems.length > 0) throw new FettleError(problems.slice(0, 8))
  return {
    value: toValue(document, place),
    placeOf: (path) => {
      const offset = offsetOf(document, path)
      return offset === undefined ? place : placeAt(offset)
    },
  }
}

function toValue(document: Document, place: string): unknown {
  try {
    return document.toJS()
  } catch (error) {
    // Aliases of aliases, each of which stands for many others.
    throw new FettleError(
      {
        place,
        found: `not YAML that can be read: ${messageOf(error)}`,
        expected: 'aliases that stand for less than a hundred values each',
        cure: 'Write the values out.',
      },
      { cause: error },
    )
  }
}

/** Aliases of nothing or of what they stand in, and keys that are no names. */
function brokenNodes(document: Document, problemAt: (offset: number, what: string) => Problem): Problem[] {
  const anchors = new Map<string, Node>()
  const problems: Problem[] = []
  visit(document, {
    Node(_, node, path) {
      if (node.anchor !== undefined && node.anchor !== '') anchors.set(node.anchor, node)
      const { source } = node as { source?: unknown }
      if (!('source' in node) || isScalar(node) || typeof source !== 'string') return
      const meant = anchors.get(source)
      const offset = node.range?.[0] ?? 0
      if (meant === undefined) problems.push(problemAt(offset, `*${source} stands for nothing above it`))
      else if (path.includes(meant))
        problems.push(problemAt(offset, `*${source} stands inside of &${source}`))
    },
    Pair(_, { key }) {
      if (isNode(key) && !isScalar(key))
        problems.push(problemAt(key.range?.[0] ?? 0, 'a key that is no name'))
    },
  })
  return problems
}

function offsetOf(document: Document, path: readonly (string | number)[]): number | undefined {
  let node: unknown = document.contents
  let offset: number | undefined
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isNode(key) && String(key) === String(part))
      if (pair === undefined || !isPair(pair) || !isNode(pair.key)) break
      offset = pair.key.range?.[0]
      node = pair.value
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(part)]
      if (!isNode(item)) break
      offset = item.range?.[0]
      node = item
    } else break
  }
  return offset
}
