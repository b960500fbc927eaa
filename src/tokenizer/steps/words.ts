import { ownCopy } from '../own-copy.ts'
import { alignedText } from './aligned-text.ts'
import { writeBytes } from './byte-alphabet.ts'
import type { Model, WordTokens } from './models/model.ts'

/** Words that are kept with their tokens, about 15 MB of them; a language's text repeats far fewer. */
const maxWords = 1 << 16
/** Longer ones hardly come again. */
const maxKeptLength = 64

/**
 * The tokens of words; those of a word that was seen before are known.
 *
 * @param spellsBytes  whether the model's tokens spell bytes, and not characters
 */
export function makeWordTokenizer(model: Model, spellsBytes: boolean): (word: string) => WordTokens {
  const known = new Map<string, WordTokens>()
  const tokenize = spellsBytes ? (word: string) => tokenizeBytes(word, model) : model.tokenize
  return (word) => {
    const found = known.get(word)
    if (found !== undefined) return found
    const tokens = tokenize(word)
    if (word.length <= maxKeptLength) {
      if (known.size >= maxWords) known.clear()
      known.set(ownCopy(word), tokens)
    }
    return tokens
  }
}

function tokenizeBytes(word: string, model: Model): WordTokens {
  const spelled = writeBytes(alignedText(word))
  const { ids, bounds } = model.tokenize(spelled.text)
  // Of ASCII each character is one byte.
  if (spelled.text.length === word.length) return { ids, bounds }
  const { starts, ends } = spelled
  return { ids, bounds: bounds.map((at, i) => (i % 2 === 0 ? starts[at] : ends[at - 1])) }
}
