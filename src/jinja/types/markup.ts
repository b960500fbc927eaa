import { escapeHtml } from './html-entities.ts'
import { toText } from './print.ts'
import { asMarkup, concatTexts, type Str, type Text } from './text.ts'
import { bare, isStr, type Value } from './values.ts'

/** Whether a text is markupsafe's Markup. */
export function isMarkup(text: Value | undefined): text is Text {
  return typeof text === 'object' && text !== null && 'markup' in text && text.markup
}

/** markupsafe's escape: Markup stays as it is, anything else is printed and escaped. */
export function escapeValue(value: Value): Text {
  const stripped = bare(value)
  if (isMarkup(stripped)) return stripped
  return asMarkup(escapeHtml(isStr(stripped) ? stripped : toText(value)))
}

/** What Python makes of str methods: those of Markup return Markup. */
export function likeSelf(self: Str, result: Str): Str {
  return isMarkup(self) ? asMarkup(result) : result
}

/** `left + right`; Markup escapes the side that is not. */
export function addTexts(left: Str, right: Str): Str {
  if (!isMarkup(left) && !isMarkup(right)) return concatTexts([left, right])
  return asMarkup(concatTexts([escapeValue(left), escapeValue(right)]))
}

/** `separator.join(items)`, whose items are str. */
export function joinTexts(separator: Str, items: readonly Str[]): Str {
  const pieces: Str[] = []
  items.forEach((item, index) => {
    if (index > 0) pieces.push(separator)
    pieces.push(isMarkup(separator) ? escapeValue(item) : item)
  })
  return likeSelf(separator, concatTexts(pieces))
}
