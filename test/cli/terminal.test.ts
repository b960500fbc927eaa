import { describe, expect, test } from 'vitest'
import { bar, sparkline } from '../../src/cli/terminal/sparkline.ts'
import { count, duration, percent, short } from '../../src/cli/terminal/numbers.ts'
import { clip, paintOf, toTerminal, unbroken, visibleLength } from '../../src/cli/terminal/paint.ts'
import { hang, terminalOf, wrap } from '../../src/cli/terminal/terminal.ts'

describe('numbers', () => {
  const cases: [shown: string, expected: string][] = [
    [count(61240), '61,240'],
    [short(2_600_000), '2.6 M'],
    [short(135_000_000), '135 M'],
    [short(7_240_000_000), '7.2 B'],
    [short(9_999), '9,999'],
    [short(49_152), '49.2 k'],
    [percent(0.9911), '99.1%'],
    [duration(11_600), '12 s'],
    [duration(200_000), '3 min 20 s'],
    [duration(3_900_000), '1 h 05 min'],
    [duration(-5), '0 s'],
  ]
  test.each(cases)('%s', (shown, expected) => expect(shown).toBe(expected))
})

describe('curves', () => {
  const cases: { name: string; values: number[]; width: number; curve: string }[] = [
    { name: 'falls', values: [8, 7, 6, 5, 4, 3, 2, 1], width: 8, curve: '█▇▆▅▄▃▂▁' },
    { name: 'is averaged to its width', values: [4, 4, 4, 4, 1, 1, 1, 1], width: 2, curve: '█▁' },
    { name: 'is flat', values: [2, 2, 2], width: 10, curve: '▄▄▄' },
    { name: 'is empty', values: [], width: 10, curve: '' },
  ]
  test.each(cases)('a curve that $name', ({ values, width, curve }) =>
    expect(sparkline(values, width)).toBe(curve),
  )

  test.each([0, 0.03, 0.5, 0.98, 1, 2])('a bar keeps its width at %f', (done) => {
    const { filled, rest } = bar(done, 20)
    expect(visibleLength(filled + rest)).toBe(20)
  })
})

describe('lines', () => {
  test('are clipped by what is seen, and keep their colours closed', () => {
    const line = `${paintOf(true).green('green')} and plain`
    expect(clip(line, 40)).toBe(line)
    expect(toTerminal(clip(line, 8))).toBe('\u001B[32mgreen\u001B[39m a…')
    expect(visibleLength(clip(line, 3))).toBe(3)
    expect(toTerminal(clip(line, 3))).toBe('\u001B[32mgr\u001B[39m…')
  })

  test.each([40, 60, 100])(
    'views fit into %i columns, broken at words, and commands are left whole',
    (width) => {
      const written: string[] = []
      const stream = { isTTY: true, columns: width, write: (text: string) => void written.push(text) }
      const terminal = terminalOf(stream as never, { NO_COLOR: '1' })
      const numbers = '120 steps in 9 s, 45,428 tokens/s, 310 MiB at most · loss 4.12 → 0.18'
      terminal.write(`${hang('✔ trained   ', numbers, terminal)}\n  ${numbers}\n`)
      const command = `npx fettle chat --model ${'long/'.repeat(width / 5)}path`
      terminal.write(`Next: ${unbroken(command)}\n`)
      const lines = written.join('').trimEnd().split('\n')
      expect(lines.at(-1)).toBe(command)
      expect(lines.at(-2)).toBe('Next:')
      for (const line of lines.slice(0, -1)) expect(visibleLength(line)).toBeLessThanOrEqual(width)
      const words = lines.slice(0, -2).join(' ').split(/ +/).filter(Boolean)
      expect(words).toEqual(`✔ trained ${numbers} ${numbers}`.split(' '))
    },
  )

  const seen = { TERM: 'xterm-256color' }
  const colours: [environment: Record<string, string>, terminal: boolean, pipe: boolean][] = [
    [seen, true, false],
    [{}, process.platform === 'win32', false],
    [{ TERM: 'dumb' }, false, false],
    [{ ...seen, NO_COLOR: '1' }, false, false],
    [{ ...seen, NO_COLOR: '' }, true, false],
    [{ ...seen, FORCE_COLOR: '0' }, false, false],
    [{ ...seen, FORCE_COLOR: 'false' }, false, false],
    [{ FORCE_COLOR: '' }, true, true],
    [{ FORCE_COLOR: '3' }, true, true],
    [{ TERM: 'dumb', FORCE_COLOR: '1' }, true, true],
    [{ FORCE_COLOR: 'true', NO_COLOR: '1' }, true, true],
  ]
  test.each(colours)(
    'are coloured with %j: on a terminal %j, in a pipe %j',
    (environment, terminal, pipe) => {
      const colourOf = (stream: object) => terminalOf(stream as never, environment).paint.isColorSupported
      expect(colourOf({ isTTY: true, columns: 80 })).toBe(terminal)
      expect(colourOf({})).toBe(pipe)
    },
  )

  test('of a pipe stay whole, whatever COLUMNS says', () => {
    const text = 'step 1 of 2'
    let shown = ''
    const stream = { write: (more: string) => void (shown += more) }
    terminalOf(stream as never, { COLUMNS: '8' }).write(text)
    expect(shown).toBe(text)
  })

  test('are wrapped at spaces', () => {
    expect(wrap('one two three four', 9)).toEqual(['one two', 'three', 'four'])
    expect(wrap('unbreakable word', 5)).toEqual(['unbreakable', 'word'])
  })
})
