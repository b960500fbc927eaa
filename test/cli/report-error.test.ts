import { expect, test } from 'vitest'
import { paintOf } from '../../src/cli/terminal/paint.ts'
import { reportError } from '../../src/cli/terminal/report-error.ts'
import { FettleError } from '../../src/error.ts'

const fileError = (code: string, path: string, more: object = {}) =>
  Object.assign(new Error(`${code}: it failed`), { code, path, ...more })

const cases: {
  name: string
  error: unknown
  code: number
  lines: (string | RegExp)[]
  platform?: NodeJS.Platform
}[] = [
  {
    name: 'each problem has its line',
    error: new FettleError([
      { place: 'a.jsonl:1', found: 'no role' },
      { place: 'a.jsonl:2', found: 'no content', expected: 'text', cure: 'Add it.' },
    ]),
    code: 2,
    lines: ['error a.jsonl:1: no role.', 'error a.jsonl:2: no content; expected text. Add it.'],
  },
  {
    name: 'a run that failed',
    error: new FettleError({ place: 'step 3', found: 'loss NaN' }, { exitCode: 1 }),
    code: 1,
    lines: ['error step 3: loss NaN.'],
  },
  {
    name: 'a file that is not there',
    error: fileError('ENOENT', 'run.yaml'),
    code: 2,
    lines: ['error run.yaml: no such file or folder. Check the path.'],
  },
  {
    name: 'a disk that is full',
    error: fileError('ENOSPC', 'runs/x'),
    code: 1,
    lines: ['error runs/x: no space left on the device. Free some and run again.'],
  },
  {
    name: 'a file that another program has open, on Windows',
    error: fileError('EPERM', 'out\\a.gguf.tmp', { syscall: 'rename', dest: 'out\\a.gguf' }),
    platform: 'win32',
    code: 1,
    lines: [
      'error out\\a.gguf.tmp → out\\a.gguf: not permitted: another program has it open, or it is read-only (EPERM, rename). Close what has it open (an editor, a virus scanner, another run), and run again.',
    ],
  },
  {
    name: 'a file that is in use',
    error: fileError('EBUSY', 'train.jsonl', { syscall: 'open' }),
    code: 1,
    lines: [/^error train\.jsonl: in use by another program .*\(EBUSY, open\)\. Close what has it open/],
  },
  {
    name: 'what is not permitted',
    error: fileError('EPERM', 'runs/x', { syscall: 'mkdir' }),
    platform: 'linux',
    code: 2,
    lines: ['error runs/x: not permitted (EPERM, mkdir). Check who may read and write there.'],
  },
  ...(['win32', 'linux'] as const).flatMap((platform) =>
    (
      [
        ['EPERM', 'kill'],
        ['EACCES', 'listen'],
        ['EACCES', 'connect'],
      ] as const
    ).map(([code, syscall]) => ({
      name: `${code} of ${syscall} on ${platform} is not of a file`,
      error: Object.assign(new Error(`${syscall} ${code}`), { code, syscall, address: '::', port: 80 }),
      platform,
      code: 1,
      lines: [`error ${syscall} ${code}`, /at .*report-error\.test/, /Please report it/],
    })),
  ),
  {
    name: 'what is not permitted of an open file',
    error: Object.assign(new Error('EPERM: operation not permitted, write'), {
      code: 'EPERM',
      syscall: 'write',
    }),
    platform: 'linux',
    code: 2,
    lines: ['error EPERM: not permitted (EPERM, write). Check who may read and write there.'],
  },
  ...['Array buffer allocation failed', 'out of memory: 512 MiB for weights', 'std::bad_alloc'].map(
    (message) => ({
      name: `no memory: ${message}`,
      error: new RangeError(message),
      code: 1,
      lines: [/^error memory: .+; expected more than the system gives\. End other programs, .+ulimit -v/],
    }),
  ),
  {
    name: 'a fault in fettle says how to report it',
    error: new TypeError('x is not a function'),
    code: 1,
    lines: [
      'error x is not a function',
      /at .*report-error\.test/,
      /Please report it/,
      /^fettle \d+\.\d+\.\d+, node v/,
    ],
  },
  {
    name: 'what is thrown need not be an error',
    error: 'a word',
    code: 1,
    lines: ['error a word', /Please report/],
  },
]

test.each(cases)('$name', ({ error, code, lines, platform }) => {
  let text = ''
  const terminal = {
    interactive: false,
    width: 80,
    lineWidth: undefined,
    paint: paintOf(false),
    write: (more: string) => void (text += more),
    writeAnswer: (more: string) => void (text += more),
  }
  expect(reportError(error, terminal, platform)).toBe(code)
  const shown = text.split('\n')
  for (const line of lines)
    expect(shown).toContainEqual(typeof line === 'string' ? line : expect.stringMatching(line))
})
