import { randomBytes } from 'node:crypto'
import { visibleText } from './visible-text.ts'

/** What text can look like, and the codes that begin and end it. */
const styles = {
  bold: ['1', '22'],
  dim: ['2', '22'],
  red: ['31', '39'],
  green: ['32', '39'],
  yellow: ['33', '39'],
  magenta: ['35', '39'],
  cyan: ['36', '39'],
} as const

/** Functions that give text a look, which may stand inside each other. */
export type Paint = { readonly [K in keyof typeof styles]: (text: string) => string } & {
  /** Whether they do anything. */
  readonly isColorSupported: boolean
}

/**
 * What fettle itself wants to tell a terminal stands in text between these. Nobody who writes a file can know them, so that
 * what a file says is never taken for a command.
 */
const key = randomBytes(12).toString('hex')
const [begin, end] = [`\u0002${key}`, `\u0003${key}`]
const commands = new RegExp(`${begin}(.*?)${end}`, 'gs')

/** An escape sequence of fettle's own, as `toTerminal` knows it among the text. */
export function ownSequence(sequence: string): string {
  return begin + sequence + end
}

/** Stands for a space at which no line is broken. */
const heldSpace = 'space'

/** Text that lines are not broken in, such as a command that is copied into a shell. */
export function unbroken(text: string): string {
  return text.replaceAll(' ', ownSequence(heldSpace))
}

/** Colours, or functions that leave the text as it is. */
export function paintOf(colour: boolean): Paint {
  const painters = Object.entries(styles).map(([name, codes]) => {
    const [open, close] = codes.map((code) => ownSequence(`\u001B[${code}m`))
    // What stands inside ends its own look, and with it this one, which goes on behind it.
    const paint = (text: string): string => open + text.replaceAll(close, close + open) + close
    return [name, colour ? paint : (text: string) => text]
  })
  return { ...(Object.fromEntries(painters) as Omit<Paint, 'isColorSupported'>), isColorSupported: colour }
}

/** Text as a terminal is given it: fettle's own sequences as they are, everything else visible. */
export function toTerminal(text: string): string {
  return text
    .split(commands)
    .map((part, i) => (i % 2 === 0 ? visibleText(part) : part === heldSpace ? ' ' : part))
    .join('')
}

/** How many characters of a text are seen. */
export function visibleLength(text: string): number {
  const seen = text.replaceAll(commands, (_, sequence: string) => (sequence === heldSpace ? ' ' : ''))
  return [...visibleText(seen)].length
}

/** The first `width` visible characters of a text, with fettle's own sequences between them. */
export function clip(text: string, width: number): string {
  if (visibleLength(text) <= width) return text
  let visible = 0
  const clipped = text.split(commands).map((part, i) => {
    if (i % 2 === 1) return ownSequence(part)
    const characters = [...visibleText(part)]
    const shown = characters.slice(0, Math.max(0, width - 1 - visible))
    visible += shown.length
    return shown.join('')
  })
  return `${clipped.join('')}…`
}
