import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { execFileSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'

/** Transformers.js as users install it, with the onnxruntime that it asks for; its archive carries the CPU's library. */
const wanted = '@huggingface/transformers@4.2.0'

/** What of onnxruntime-common is used. */
export interface OrtTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: Float32Array | Uint16Array | BigInt64Array
}
export interface OrtSession {
  readonly inputNames: readonly string[]
  readonly inputMetadata: readonly { name: string; type: string; shape: readonly (number | string)[] }[]
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>
  release(): Promise<void>
}
export interface Ort {
  Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor
  InferenceSession: { create(path: string): Promise<OrtSession> }
}

export interface Runtimes {
  folder: string
  ort: Ort
  /** The module of Transformers.js. */
  transformers: Record<string, unknown>
  version: string
}

/** Installs the packages into a folder, unless they are there, and loads them. */
export async function loadRuntimes(folder: string): Promise<Runtimes> {
  await mkdir(folder, { recursive: true })
  const home = resolve(folder)
  if (!existsSync(join(home, 'node_modules', '@huggingface', 'transformers')))
    execFileSync(
      'npm',
      ['install', '--prefix', home, '--ignore-scripts', '--no-audit', '--no-fund', wanted],
      {
        stdio: ['ignore', 'inherit', 'inherit'],
      },
    )
  const require = createRequire(join(home, 'package.json'))
  const load = async (name: string) =>
    (await import(pathToFileURL(require.resolve(name)).href)) as Record<string, unknown>
  const node = await load('onnxruntime-node')
  const { version } = require(join(home, 'node_modules', 'onnxruntime-node', 'package.json')) as {
    version: string
  }
  return {
    folder: home,
    ort: (node['default'] ?? node) as Ort,
    transformers: await load('@huggingface/transformers'),
    version,
  }
}
