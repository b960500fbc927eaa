import { expect, test } from 'vitest'
import { argumentsFromHome, fromHome } from '../src/home-folder.ts'

const home = String.raw`C:\Users\Ada $1`

test.each([
  ['~/models/a', `${home}/models/a`],
  [String.raw`~\models\a`, String.raw`${home}\models\a`],
  ['--model=~/a', `--model=${home}/a`],
  ['~', '~'],
  ['~x/a', '~x/a'],
  ['a~/b', 'a~/b'],
  ['--model', '--model'],
])('on Windows the argument %s is %s', (given, path) =>
  expect(argumentsFromHome([given], 'win32', home)).toEqual([path]),
)

test('elsewhere the shell has done it', () =>
  expect(argumentsFromHome(['~/a', '--model=~/a'], 'linux', '/home/ada')).toEqual(['~/a', '--model=~/a']))

test.each([
  ['~/a', '/home/ada/a'],
  ['~', '~'],
  ['~ada/a', '~ada/a'],
  [String.raw`~\a`, String.raw`~\a`],
  ['/~/a', '/~/a'],
])('in a file %s is %s', (given, path) => expect(fromHome(given, 'linux', '/home/ada')).toBe(path))
