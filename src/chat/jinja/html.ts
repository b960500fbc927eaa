import { concatTexts, plain, runsOf, TextBuilder, type Str } from './text.ts'

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
}

/** markupsafe's escape, each entity owned by whoever wrote the character. */
export function escapeHtml(text: Str): Str {
  const value = plain(text)
  if (!/[&<>'"]/.test(value)) return concatTexts([text])
  const builder = new TextBuilder()
  let start = 0
  for (const { end, source } of runsOf(text)) {
    builder.push(
      value.slice(start, end).replace(/[&<>'"]/g, (character) => entities[character] ?? character),
      source,
    )
    start = end
  }
  return builder.finish()
}
