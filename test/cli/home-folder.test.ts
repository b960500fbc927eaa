import { expect, test } from 'vitest'
import { withHomeFolder } from '../../src/cli/flags/home-folder.ts'

const home = String.raw`C:\Users\Ada $1`

test.each([
  ['~/models/a', `${home}/models/a`],
  [String.raw`~\models\a`, String.raw`${home}\models\a`],
  ['--model=~/a', `--model=${home}/a`],
  ['~', '~'],
  ['~x/a', '~x/a'],
  ['a~/b', 'a~/b'],
  ['--model', '--model'],
])('on Windows %s is %s', (given, path) => expect(withHomeFolder([given], 'win32', home)).toEqual([path]))

test('elsewhere the shell has done it', () => expect(withHomeFolder(['~/a'], 'linux', home)).toEqual(['~/a']))
