import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const src = join(import.meta.dirname, '..', 'src')

/** The rooms in the order of the data's way: a room may import those before it, never one after it. */
const rooms = [
  'formats',
  'jinja',
  'chat',
  'tokenizer',
  'data',
  'batch',
  'engine',
  'peft',
  'generate',
  'model',
  'pipeline',
  'train',
  'doctor',
  'export',
  'serve',
  'cluster',
  'cli',
]

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

/** Room of a file, or undefined for the few files that belong to none (errors, random numbers, the public index). */
const roomOf = (file: string): string | undefined => (file.includes('/') ? file.split('/')[0] : undefined)

function imports(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) =>
    relative(src, resolve(src, dirname(file), match[1])),
  )
}

test('every folder of src is a known room', () => {
  const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const unknown = folders.map((entry) => entry.name).filter((name) => !rooms.includes(name))
  expect(unknown).toEqual([])
})

test('imports go one way: from later rooms to earlier ones', () => {
  const wrong = files.flatMap((file) =>
    imports(file).flatMap((target) => {
      const from = roomOf(file)
      const to = roomOf(target)
      if (from === undefined || to === undefined || from === to) return []
      return rooms.indexOf(to) < rooms.indexOf(from) ? [] : [`${file} imports ${target}`]
    }),
  )
  expect(wrong).toEqual([])
})

test('only the command line prints', () => {
  const printing = files.filter(
    (file) =>
      roomOf(file) !== 'cli' && /console\.|process\.std(out|err)/.test(readFileSync(join(src, file), 'utf8')),
  )
  expect(printing).toEqual([])
})
