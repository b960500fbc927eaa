// Not in TypeScript: the types of tsdown name packages that are not there, and every type is checked.
import { writeFile } from 'node:fs/promises'
import { defineConfig } from 'tsdown'
import { forPages, licences } from './scripts/for-pages.mjs'

const forNode = {
  entry: {
    index: 'src/index.ts',
    chat: 'src/chat-entry.ts',
    cli: 'src/cli/start.ts',
    // The program of threads, which is started by its name: src/data/workers/encoding-pool.ts.
    'encoding-worker': 'src/data/workers/encoding-worker.ts',
  },
  format: 'esm',
  platform: 'node',
  target: 'node20',
  deps: {
    // Each is some hundred files, which took a quarter of the time in which a command starts. Types name zod's own.
    alwaysBundle: (id, importer) => /^(zod|yaml)$/.test(id) && !/\.d\.[cm]?ts$/.test(importer ?? ''),
    onlyBundle: ['zod', 'yaml'],
  },
  plugins: [licences],
  dts: { entry: ['src/index.ts', 'src/chat-entry.ts'] },
  // Folders in dist/ are made by other configurations.
  clean: ['dist/*.mjs', 'dist/*.d.mts', 'dist/*.json', 'dist/*.txt'],
  // The types name Symbol.asyncDispose, which a project's own libraries may lack.
  banner: { dts: '/// <reference lib="esnext.disposable" />' },
  async onSuccess() {
    // A path that the loader of this file cannot see: it would put the last build's schema in here.
    const built = new URL('dist/index.mjs', import.meta.url)
    const { handOffJsonSchema, runFileJsonSchema } = await import(built.href)
    const schemas = { 'run-file': runFileJsonSchema(), 'hand-off': handOffJsonSchema() }
    for (const [name, schema] of Object.entries(schemas))
      await writeFile(`dist/${name}.schema.json`, `${JSON.stringify(schema, null, 2)}\n`)
  },
}

/** fettle/browser, with everything that it needs. */
const forBrowsers = {
  ...forPages,
  entry: { index: 'src/browser-entry.ts' },
  outDir: 'dist/browser',
  dts: true,
  clean: true,
  banner: forNode.banner,
}

export default defineConfig([forNode, forBrowsers])
