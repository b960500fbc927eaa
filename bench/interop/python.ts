import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { InteropPaths } from './setting.ts'

/** Runs a Python script of bench/interop and reads the JSON that it prints as its last line. */
export async function runPython<T>(
  { python }: Pick<InteropPaths, 'python'>,
  script: string,
  args: readonly string[],
): Promise<T> {
  const path = join('bench', 'interop', script)
  const child = spawn(python, [path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error' },
  })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw new Error(`${python} ${path} ended with ${String(code)}`)
  return JSON.parse(printed.trim().split('\n').at(-1) ?? '') as T
}
