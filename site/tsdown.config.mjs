// The page of site/ as a folder that any web server can give out: npm run site.
import { cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { defineConfig } from 'tsdown'
import { forPages } from '../scripts/for-pages.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Of script, compressed, where somebody trains a model of Llama's family, saves the adapter and asks the doctor. */
const mostBytes = 290_000
const opened = [
  'site/app.ts',
  'site/worker.ts',
  'site/computing.ts',
  'src/browser/zip.ts',
  'src/doctor/index.ts',
  'src/engine/wasm/index.ts',
  'src/model/families/llama.ts',
].map((path) => join(root, path))

/** Counts what a page loads for that; more than it may be ends the build. */
const counted = {
  name: 'counted',
  writeBundle(_options, bundle) {
    const loaded = new Set(
      Object.values(bundle)
        .filter(({ moduleIds = [] }) => opened.some((id) => moduleIds.includes(id)))
        .map(({ fileName }) => fileName),
    )
    for (const name of loaded) for (const path of bundle[name].imports) loaded.add(path)
    const bytes = [...loaded].reduce((sum, name) => sum + gzipSync(bundle[name].code).length, 0)
    console.log(`script: ${(bytes / 1000).toFixed(1)} kB compressed, in ${loaded.size} files`)
    if (bytes > mostBytes) throw new Error(`more than ${mostBytes / 1000} kB of script`)
  },
}

export default defineConfig({
  ...forPages,
  plugins: [...forPages.plugins, counted],
  entry: { app: 'app.ts', worker: 'worker.ts', computing: 'computing.ts' },
  outDir: join(root, 'dist', 'site'),
  dts: false,
  clean: true,
  async onSuccess({ outDir }) {
    for (const name of ['index.html', 'style.css']) await cp(join(root, 'site', name), join(outDir, name))
    // npm's package leaves these out, since it has them in assets/: fettle site gives them out from there.
    for (const name of ['tiny-llama', 'demo.jsonl', 'engine.wasm'])
      await cp(join(root, 'assets', name), join(outDir, name), { recursive: true })
  },
})
