import type { Random } from './random.ts'

/** JSON texts that are not what a reader waits for. */
const oddTexts = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '1',
  '-1',
  '2',
  '3',
  '0.5',
  '-0.5',
  '1.0',
  '1e6',
  '1e9',
  '1e15',
  '1e400',
  '1e308',
  '5e-324',
  '2147483647',
  '2147483648',
  '-2147483648',
  '4294967296',
  '9007199254740993',
  '123456789012345678901234567890',
  'NaN',
  'Infinity',
  '""',
  '" "',
  '"x"',
  '"null"',
  '"0"',
  '"1"',
  '"-1"',
  '"1.5"',
  '"true"',
  '"auto"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u202eabc"',
  '"\\u001b]52;c;x\\u0007"',
  '"../../../etc/passwd"',
  '"/dev/zero"',
  '"."',
  '""',
  '"constructor"',
  '"__proto__"',
  '"toString"',
  '"hasOwnProperty"',
  '"([a-z]+)+$"',
  '"("',
  '"(?<=a)b"',
  '"é𝄞"',
  `"${'a'.repeat(20_000)}"`,
  '[]',
  '[null]',
  '[[]]',
  '[0]',
  '[-1]',
  '[1.5]',
  '["x"]',
  '[1, "1", null]',
  '{}',
  '{"a": null}',
  '{"__proto__": {"a": 1}}',
  '{"constructor": 1}',
  `${'['.repeat(300)}${']'.repeat(300)}`,
  `[${'0,'.repeat(2000)}0]`,
  `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`,
]

const oddKeys = [
  'x',
  '',
  '__proto__',
  'constructor',
  'toString',
  'length',
  '0',
  '-1',
  'use_newthing',
  'type',
  'é',
  '\u0000',
  'a.b',
  'a'.repeat(500),
]

export const oddText = (random: Random): string => random.of(oddTexts)
export const oddKey = (random: Random): string => random.of(oddKeys)

/** What only a program can pass: it does not stand in JSON. */
const oddObjects: readonly (() => unknown)[] = [
  () => undefined,
  () => NaN,
  () => Infinity,
  () => -Infinity,
  () => 10n,
  () => Symbol('x'),
  () => () => 1,
  () => new Date(NaN),
  () => new Map([['a', 1]]),
  () => new Set([1]),
  () => Object.create(null) as unknown,
  () => new Float32Array([1, NaN, -1]),
  () => new Int32Array(0),
  () => new Uint8Array(3),
  () => Object.assign([], { length: 5 }),
  () => Object.assign([], { length: 2 ** 32 - 1 }),
  () => ({ length: 5 }),
  () => ({ length: -1, shape: [-2, -2] }),
  () => ({ data: new Int32Array(4), shape: [2, 2] }),
  () => ({ data: new Int32Array(4), shape: [-2, -2] }),
  () => ({ data: new Int32Array(4), shape: [2 ** 31, 2 ** 31] }),
  () => Promise.resolve(1),
  () => new Proxy([], {}),
  () => /x/,
  () => new Error('x'),
]

/** A value that a caller without types may pass. */
export function oddArgument(random: Random): unknown {
  if (random.next() < 0.5) return random.of(oddObjects)()
  for (;;) {
    try {
      return JSON.parse(oddText(random)) as unknown
    } catch {
      // NaN and Infinity are not JSON.
    }
  }
}
