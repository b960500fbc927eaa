/**
 * Characters that steer a terminal or change how it lays text out, and that text of files may not send there: control
 * characters but the line break and the tab, C1 controls, bidirectional marks, line and paragraph separators, formatting
 * characters that Unicode deprecates, halves of surrogate pairs.
 */
const steering =
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u206F\uFFF9-\uFFFB\p{Cs}]/gu

/** Text in which every character that steers a terminal is written as JSON writes it: `\u001b`. JSON stays the same value. */
export function visibleText(text: string): string {
  return text.replaceAll(
    steering,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
