import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { FettleError } from '../error.ts'
import { defineCommand } from './command.ts'
import { writeJsonLine } from './terminal/json-lines.ts'
import { packageFolder } from '../version.ts'

/** Compiles the kernels where fettle is installed. */
export const buildNative = defineCommand({
  flags: {
    verbose: { type: 'boolean', description: 'Shows what the compiler says' },
    json: { type: 'boolean', description: 'Prints {"message"}' },
  },
  examples: ['build-native', 'build-native --verbose'],
  details: 'Needs g++ or clang++ (or $CXX) and nothing from the network.',
  async run({ verbose, json }) {
    const script = join(packageFolder(), 'scripts', 'build-native.mjs')
    const child = spawn(process.execPath, [script, ...(verbose === true ? ['--verbose'] : [])], {
      stdio: ['ignore', json === true ? 'pipe' : 'inherit', 'inherit'],
    })
    let printed = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text))
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    if (code !== 0)
      throw new FettleError(
        {
          place: 'build-native',
          found: 'not built, for the reason above',
          expected: 'a C++17 compiler',
          cure: 'Without the native engine the same kernels run as WebAssembly, slower.',
        },
        { exitCode: 1 },
      )
    if (json === true) writeJsonLine({ message: printed.trim() })
  },
})
