import { Fault } from '../fault.ts'
import { truth } from '../types/iteration.ts'
import { loremWords } from './lorem-words.ts'
import { spendCharacterWork } from '../meter.ts'
import { indexArgument } from '../types/numbers.ts'
import { renderState } from '../render-state.ts'
import { asMarkup, type Str } from '../types/text.ts'
import type { Value } from '../types/values.ts'

/** random.randrange. */
function randomBetween(start: number, stop: number): number {
  if (stop <= start) throw new Fault('ValueError', `empty range for randrange() (${start}, ${stop})`)
  return start + Math.floor(renderState.random() * (stop - start))
}

function randomWord(last: string | undefined): string {
  for (;;) {
    const word = loremWords[Math.floor(renderState.random() * loremWords.length)] ?? ''
    if (word !== last) return word
  }
}

function paragraph(min: number, max: number): string {
  const words: string[] = []
  let last: string | undefined
  let lastComma = 0
  let lastStop = 0
  let begins = true
  const count = randomBetween(min, max)
  for (let index = 0; index < count; index += 1) {
    last = randomWord(last)
    let word = begins ? last.charAt(0).toUpperCase() + last.slice(1) : last
    begins = false
    if (index - randomBetween(3, 8) > lastComma) {
      lastComma = index
      lastStop += 2
      word += ','
    }
    if (index - randomBetween(10, 20) > lastStop) {
      lastComma = index
      lastStop = index
      word += '.'
      begins = true
    }
    spendCharacterWork(1, 160)
    words.push(word)
  }
  return words.join(' ').replace(/[,.]?$/, '.')
}

/** jinja2's `lipsum`: paragraphs of words by chance. */
export function lipsum([count, html, min, max]: readonly (Value | undefined)[]): Str {
  const paragraphs: string[] = []
  const total = count === undefined ? 5 : indexArgument(count)
  for (let index = 0; index < total; index += 1) {
    paragraphs.push(
      paragraph(min === undefined ? 20 : indexArgument(min), max === undefined ? 100 : indexArgument(max)),
    )
  }
  if (html !== undefined && !truth(html)) return paragraphs.join('\n\n')
  return asMarkup(paragraphs.map((text) => `<p>${text}</p>`).join('\n'))
}
