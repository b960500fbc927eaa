import { stripVTControlCharacters } from 'node:util'
import pc from 'picocolors'

/** What a stream shows. */
export interface Terminal {
  /** A person looks at it: lines may be rewritten. */
  interactive: boolean
  /** Columns of a line. */
  width: number
  /** Colours, or functions that leave the text as it is. */
  paint: ReturnType<typeof pc.createColors>
  write(text: string): void
}

/**
 * A stream as a terminal: colours only where a person sees them. NO_COLOR turns them off, FORCE_COLOR on; the width is
 * the terminal's, in a pipe that of COLUMNS.
 */
export function terminalOf(
  stream: NodeJS.WriteStream,
  environment: NodeJS.ProcessEnv = process.env,
): Terminal {
  const { NO_COLOR, FORCE_COLOR, TERM, COLUMNS } = environment
  const interactive = stream.isTTY === true && TERM !== 'dumb'
  const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0'
  const colour = (NO_COLOR === undefined || NO_COLOR === '') && (forced || interactive)
  const columns = Number(COLUMNS)
  return {
    interactive,
    get width() {
      return stream.columns ?? (Number.isInteger(columns) && columns > 0 ? columns : 80)
    },
    paint: pc.createColors(colour),
    write: (text) => void stream.write(text),
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
  const erase = '\r\u001B[K'
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

/** The first `width` visible characters of a text, with the colour codes between them. */
export function clip(text: string, width: number): string {
  if (visibleLength(text) <= width) return text
  let visible = 0
  let clipped = ''
  // oxlint-disable-next-line no-control-regex -- escape sequences are what this takes apart
  for (const [piece] of text.matchAll(/\u001B\[[\d;]*m|./gsu)) {
    if (piece.startsWith('\u001B')) clipped += piece
    else if (visible < width - 1) {
      clipped += piece
      visible += 1
    }
  }
  return `${clipped}…`
}

/** How many characters of a text are seen. */
export function visibleLength(text: string): number {
  return [...stripVTControlCharacters(text)].length
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
