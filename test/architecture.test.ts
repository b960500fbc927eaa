import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const src = join(import.meta.dirname, '..', 'src')

/** The rooms in the order of the data's way: a room may import those before it, never one after it. */
const rooms = [
  'formats',
  'hub',
  'patterns',
  'jinja',
  'chat',
  'tokenizer',
  'data',
  'batch',
  'engine',
  'peft',
  'generate',
  'model',
  'train',
  'pipeline',
  'doctor',
  'export',
  'remote',
  'serve',
  'browser',
  'cli',
]

interface Import {
  from: string
  to: string
  /** `import type`, which is gone when the program runs. */
  isType: boolean
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const imports = files.flatMap(importsOf)

/** Room of a file, or undefined for the few files that belong to none (errors, random numbers, the public index). */
function roomOf(file: string): string | undefined {
  return file.includes('/') ? file.split('/')[0] : undefined
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), 'utf8')
  const statements = text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'(\.[^']+)'|import\('(\.[^']+)'\)/gm,
  )
  return [...statements].map(([, type, path, dynamicPath]) => ({
    from: file,
    to: relative(src, resolve(src, dirname(file), path ?? dynamicPath)),
    isType: type !== undefined,
  }))
}

const between = imports.filter(({ from, to }) => roomOf(from) && roomOf(to) && roomOf(from) !== roomOf(to))
const described = ({ from, to }: Import) => `${from} imports ${to}`

test('every folder of src is a known room', () => {
  const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  expect(folders.map(({ name }) => name).filter((name) => !rooms.includes(name))).toEqual([])
})

test('the reader of imports sees them all', () => {
  const paths = files.flatMap((file) => [
    ...readFileSync(join(src, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'\.[^']+'/g),
  ])
  expect(imports).toHaveLength(paths.length)
  expect(imports.filter(({ to }) => !files.includes(to) && !to.includes('..'))).toEqual([])
})

test('imports go one way: from later rooms to earlier ones', () => {
  const wrong = between.filter(
    ({ from, to }) => rooms.indexOf(roomOf(to) ?? '') > rooms.indexOf(roomOf(from) ?? ''),
  )
  expect(wrong.map(described)).toEqual([])
})

test('a room is entered through an index.ts, but for types of engine/', () => {
  const wrong = between.filter(
    ({ to, isType }) => basename(to) !== 'index.ts' && !(isType && roomOf(to) === 'engine'),
  )
  expect(wrong.map(described)).toEqual([])
})

test('no file imports itself by way of others, types included', () => {
  expect(circle()).toEqual([])
})

/** The files of one circle of imports, or none. */
function circle(): string[] {
  const next = new Map(files.map((file) => [file, imports.filter(({ from }) => from === file)]))
  const done = new Set<string>()
  const visit = (file: string, path: string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return []
    for (const { to } of next.get(file) ?? []) {
      const found = visit(to, [...path, file])
      if (found.length > 0) return found
    }
    done.add(file)
    return []
  }
  for (const file of files) {
    const found = visit(file, [])
    if (found.length > 0) return found
  }
  return []
}

test('only the command line prints', () => {
  const printing = files.filter(
    (file) =>
      roomOf(file) !== 'cli' && /console\.|process\.std(out|err)/.test(readFileSync(join(src, file), 'utf8')),
  )
  expect(printing).toEqual([])
})

const page = readFileSync(join(src, '..', 'docs', 'architecture.md'), 'utf8')

test('docs/architecture.md lists the rooms in their order', () => {
  const listed = [...page.matchAll(/^\| `(\w+)\/` \|/gm)].map((match) => match[1])
  expect(listed).toEqual(rooms.filter((room) => files.some((file) => roomOf(file) === room)))
})

test('the functions that docs/architecture.md names are in the rooms that it names', () => {
  const steps = [...page.matchAll(/[│└├ ]((?:[\w.]+, )*[\w.]+) +(\w+)\/ /g)].flatMap(([, names, room]) =>
    names.split(', ').map((name) => ({ name: name.split('.').at(-1) ?? '', room })),
  )
  const texts = new Map(
    rooms.map((room) => [
      room,
      files.filter((file) => roomOf(file) === room).map((file) => readFileSync(join(src, file), 'utf8')),
    ]),
  )
  const missing = steps.filter(
    ({ name, room }) => !texts.get(room)?.some((text) => new RegExp(`\\b${name}\\b`).test(text)),
  )
  expect(steps.length).toBeGreaterThan(20)
  expect(missing).toEqual([])
})

test('links between the pages lead somewhere', () => {
  const root = join(src, '..')
  const pages = [
    'README.md',
    'FEATURES.md',
    'bench/README.md',
    ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
  ]
  const broken = pages
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) =>
      [...readFileSync(join(root, name), 'utf8').matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)]
        .map((match) => join(dirname(name), match[1]))
        .filter((target) => !existsSync(join(root, target)))
        .map((target) => `${name}: ${target}`),
    )
  expect(broken).toEqual([])
})

test('one place writes to the terminal, so that nothing of a file gets there unseen', () => {
  const writers = files.filter((file) =>
    /\bstd(out|err)\.write\(|console\.\w+\(/.test(
      readFileSync(join(src, file), 'utf8').replaceAll(/"[^"\n]*"/g, ''),
    ),
  )
  expect(writers).toEqual([])
})
