import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { render } from '../render.ts'

/** What Python's str says of every assigned character; recorded by record_unicode.py. */
interface Recorded {
  unicode: string
  assigned: [number, number][]
  classes: Record<string, [number, number][]>
  forms: Record<string, Record<string, string>>
}

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'unicode.json'), 'utf8'),
) as Recorded

function* codePoints(ranges: readonly [number, number][]): Generator<number> {
  for (const [first, last] of ranges) for (let point = first; point <= last; point += 1) yield point
}

/** Characters that go through a template at a time, far below its limits. */
const chunk = 4096
// All but the one that separates the answers.
const assigned = [...codePoints(recorded.assigned)].filter((point) => point > 0)
const chunks = Array.from({ length: Math.ceil(assigned.length / chunk) }, (_, i) =>
  assigned.slice(i * chunk, (i + 1) * chunk).map((point) => String.fromCodePoint(point)),
)

/** What a method says of each character, by a template that visits them all. */
function ask(method: string): string[] {
  // Of what is printable a template learns by how a list shows it.
  const answer = method === 'isprintable' ? 'c in ([c] | string)' : `c.${method}()`
  const template = `{% for c in characters %}{{ ${answer} }}\u0000{% endfor %}`
  return chunks.flatMap((characters) => render(template, { characters }).split('\u0000').slice(0, -1))
}

describe(`every character of Unicode ${recorded.unicode} is to a template what it is to Python`, () => {
  test.each(Object.entries(recorded.classes))('%s', (method, ranges) => {
    const holds = new Set(codePoints(ranges))
    const answers = ask(method)
    const wrong = assigned.filter((point, i) => answers[i] !== (holds.has(point) ? 'True' : 'False'))
    expect(wrong.map((point) => point.toString(16))).toEqual([])
  })

  test.each(Object.entries(recorded.forms))('%s', (method, forms) => {
    const answers = ask(method)
    const wrong = assigned.filter((point, i) => {
      const character = String.fromCodePoint(point)
      return answers[i] !== (forms[character] ?? character)
    })
    expect(wrong.map((point) => point.toString(16))).toEqual([])
  })
})
