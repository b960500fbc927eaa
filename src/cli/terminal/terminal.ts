import { WriteStream } from 'node:tty'
import { clip, ownSequence, paintOf, toTerminal, visibleLength } from './paint.ts'
import type { Paint } from './paint.ts'

/** What a stream shows. Nothing else in fettle writes to stdout or stderr. */
export interface Terminal {
  /** A person looks at it: lines may be rewritten. */
  interactive: boolean
  /** Columns of a line. */
  width: number
  /** Columns at which `write` breaks lines at their spaces; none in a pipe, whose lines programs read. */
  lineWidth: number | undefined
  /** Colours, or functions that leave the text as it is. */
  paint: Paint
  /** Shows text. Characters of it that steer a terminal are written out, also in a pipe: what reads it may show it on one. */
  write(text: string): void
  /** Hands on an answer's text: to a program or a file as it is, to a person as `write` does. */
  writeAnswer(text: string): void
}

/**
 * A stream as a terminal: colours only where a person sees them and the terminal has them, as Node finds out (NO_COLOR, TERM), or
 * where FORCE_COLOR says so, which wins; its 0 turns them off. The width is the terminal's, in a pipe that of COLUMNS.
 */
export function terminalOf(
  stream: NodeJS.WriteStream,
  environment: NodeJS.ProcessEnv = process.env,
): Terminal {
  const { NO_COLOR, FORCE_COLOR, TERM, COLUMNS } = environment
  const interactive = stream.isTTY === true && TERM !== 'dumb'
  const isAsked = FORCE_COLOR !== undefined || stream.isTTY === true
  // Of the environment alone, so that a pipe can be asked, too; for Node 20 an empty NO_COLOR is one.
  const asked = NO_COLOR === '' ? { ...environment, NO_COLOR: undefined } : environment
  const colour = isAsked && WriteStream.prototype.getColorDepth(asked) > 1
  const columns = Number(COLUMNS)
  return {
    interactive,
    get width() {
      return stream.columns ?? (Number.isInteger(columns) && columns > 0 ? columns : 80)
    },
    get lineWidth() {
      return stream.columns
    },
    paint: paintOf(colour),
    write: (text) => void stream.write(toTerminal(wrapLines(text, stream.columns))),
    writeAnswer: (text) => void stream.write(stream.isTTY === true ? toTerminal(text) : text),
  }
}

/** A line at the bottom that is rewritten; what is printed meanwhile goes above it. */
export interface ProgressLine {
  show(text: string): void
  /** Prints a line above. */
  print(line: string): void
  clear(): void
}

/** A progress line; where nobody looks it shows nothing. */
export function createProgressLine(terminal: Terminal): ProgressLine {
  let shown = ''
  const erase = ownSequence('\r\u001B[K')
  return {
    show(text) {
      if (!terminal.interactive) return
      shown = clip(text, terminal.width - 1)
      terminal.write(erase + shown)
    },
    print(line) {
      terminal.write(shown === '' ? `${line}\n` : `${erase}${line}\n${shown}`)
    },
    clear() {
      if (shown !== '') terminal.write(erase)
      shown = ''
    },
  }
}

/** Breaks a text into lines of at most `width` characters at its spaces; a longer word has a line for itself. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && visibleLength(line) + 1 + visibleLength(word) > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** A text behind a title, broken where lines are: what does not fit goes below its beginning. */
export function hang(title: string, text: string, { lineWidth }: Pick<Terminal, 'lineWidth'>): string {
  if (lineWidth === undefined) return title + text
  const indent = visibleLength(title)
  return title + wrap(text, lineWidth - indent).join(`\n${' '.repeat(indent)}`)
}

/** Lines that are longer than `width` in pieces, which begin below the first. */
function wrapLines(text: string, width: number | undefined): string {
  if (width === undefined) return text
  const wrapLine = (line: string): string => {
    if (visibleLength(line) <= width) return line
    const [indent] = /^ */.exec(line) ?? ['']
    // What has no room beside its indentation is left to the terminal.
    if (indent.length > width / 2) return line
    return wrap(line.slice(indent.length), width - indent.length)
      .map((piece) => indent + piece)
      .join('\n')
  }
  return text.split('\n').map(wrapLine).join('\n')
}
