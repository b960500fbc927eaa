// The page of site/ as a folder that any web server can give out: npm run site.
import { cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'tsdown'
import { forPages } from '../scripts/for-pages.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, 'dist', 'site')

export default defineConfig({
  ...forPages,
  entry: { app: 'app.ts', worker: 'worker.ts' },
  outDir: out,
  dts: false,
  clean: true,
  async onSuccess() {
    for (const name of ['index.html', 'style.css']) await cp(join(root, 'site', name), join(out, name))
    // npm's package leaves these out, since it has them in assets/: fettle site gives them out from there.
    for (const name of ['tiny-llama', 'demo.jsonl', 'engine.wasm'])
      await cp(join(root, 'assets', name), join(out, name), { recursive: true })
  },
})
