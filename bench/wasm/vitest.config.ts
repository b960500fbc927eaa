import { join } from 'node:path'
import { defineConfig, mergeConfig } from 'vitest/config'
import shared from '../../vitest.config.ts'

const root = join(import.meta.dirname, '..', '..')

/** The native engine's tests on WebAssembly: whoever imports the native engine gets wasm-as-native.ts. */
export default mergeConfig(
  shared,
  defineConfig({
    root,
    plugins: [
      {
        name: 'wasm-as-native',
        enforce: 'pre',
        resolveId: (path) =>
          path.endsWith('/native/index.ts') ? join(import.meta.dirname, 'wasm-as-native.ts') : undefined,
      },
    ],
  }),
)
