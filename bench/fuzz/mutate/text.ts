import type { Random } from './random.ts'

/**
 * Changes one to four tokens of a text: removed, doubled, exchanged, replaced by a word of the language, repeated many times.
 *
 * @param words  what the language's readers act on
 */
export function mutateText(random: Random, text: string, words: readonly string[]): string {
  const tokens = text.match(/\w+|\s+|[^\w\s]/gu) ?? []
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    const at = random.below(tokens.length + 1)
    switch (random.below(8)) {
      case 0:
        tokens.splice(at, 1 + random.below(3))
        break
      case 1:
        tokens.splice(at, 0, ...tokens.slice(at, at + 1 + random.below(20)))
        break
      case 2: {
        const from = random.below(tokens.length + 1)
        tokens.splice(at, 0, ...tokens.slice(from, from + 1 + random.below(10)))
        break
      }
      case 3:
      case 4:
        tokens.splice(at, 1, random.of(words))
        break
      case 5:
        tokens.splice(at, 0, random.of(words))
        break
      case 6:
        tokens.splice(at, 1, (tokens[at] ?? ' ').repeat(random.of([2, 50, 5000])))
        break
      default:
        if (random.next() < 0.3) tokens.length = Math.min(tokens.length, at)
        else
          tokens.splice(
            at,
            0,
            String.fromCodePoint(random.of([0, 9, 27, 0x85, 0x9b, 0x202e, 0xfeff, 0x1f600])),
          )
    }
  }
  return tokens.join('')
}
