// How fettle is bundled for pages: what stands in for Node's modules (src/browser/node/), and what is left out.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const place = (name) => join(root, 'src', 'browser', 'node', `${name}.ts`)
const own = {
  buffer: 'buffer',
  crypto: 'crypto',
  fs: 'fs',
  'fs/promises': 'fs-promises',
  os: 'os',
  path: 'path',
  stream: 'stream',
}
const missing = [
  'child_process',
  'events',
  'module',
  'net',
  'readline',
  'timers/promises',
  'url',
  'v8',
  'worker_threads',
  'zlib',
]

/** Files by the names of the modules that they stand in for. */
const browserModules = Object.fromEntries([
  ...Object.entries(own).map(([name, file]) => [`node:${name}`, place(file)]),
  ...missing.map((name) => [`node:${name}`, place('missing')]),
  ['stream', place('stream')],
])

/** Modules of fettle's own that no page needs: src/browser/node/alone.ts has what they give there. */
const unused =
  /^\.\.?\/(native\/index|encoding-pool|workers\/encoding-pool|cache-folder|cache-entry|lock|room|odd-name|(files\/)?free-space)\.ts$/

/** The licences of the packages that a bundle holds, beside it. */
export const licences = {
  name: 'licences',
  generateBundle(_options, bundle) {
    const ids = Object.values(bundle).flatMap((chunk) => chunk.moduleIds ?? [])
    const found = ids.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? [])
    const texts = [...new Set(found)].toSorted().map((folder) => {
      const { name, version: of, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
      const text =
        file && existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8').trim() : ''
      return `${name} ${of}: ${license}\n\n${text}\n`
    })
    this.emitFile({ type: 'asset', fileName: 'licences.txt', source: texts.join(`\n${'-'.repeat(80)}\n\n`) })
  },
}

/** zod without what no page needs: its words in fifty languages, and the writing of JSON schemas. */
function withoutParts(id) {
  if (id.endsWith('zod/v4/locales/index.js')) return "export { default as en } from './en.js'"
  if (!/zod\/v4\/core\/(json-schema-processors|to-json-schema)\.js$/.test(id)) return undefined
  const names = [...readFileSync(id, 'utf8').matchAll(/^export (?:const|function) (\w+)/gm)].map(
    ([, name]) => name,
  )
  return ['const none = () => none', ...names.map((name) => `export const ${name} = none`)].join('\n')
}

/** What every configuration of tsdown has that bundles for pages. */
export const forPages = {
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  alias: browserModules,
  // Nothing is loaded from anywhere else.
  deps: { alwaysBundle: [/.*/] },
  plugins: [
    {
      name: 'for-pages',
      resolveId: (id, importer) => {
        const [, name] = /\/(version|unpack)\.ts$/.exec(id) ?? []
        if (name) return place(name)
        return unused.test(id) && importer !== place('alone') ? place('alone') : undefined
      },
      load: (id) => withoutParts(id),
    },
    licences,
  ],
  // fettle's own modules do nothing when they are loaded, but for the globals of Node that they want.
  treeshake: { moduleSideEffects: [{ test: /\/src\/(?!browser\/node\/globals)/, sideEffects: false }] },
  define: { FETTLE_VERSION: JSON.stringify(version) },
  minify: true,
  outExtensions: () => ({ js: '.js', dts: '.d.ts' }),
}
