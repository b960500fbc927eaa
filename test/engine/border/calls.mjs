// Calls every entry of the addon with wrong things, in a process of its own: `node calls.mjs ADDON ISA OPCODES FOLDER`.
// Prints a JSON line before each call and one with its error after it, so that a crash has a name.
import { writeSync } from 'node:fs'
import { calls, program, runner, text } from './setup.mjs'
import './entries.mjs'
import './programs.mjs'
import './moments.mjs'

const write = (line) => writeSync(1, `${JSON.stringify(line)}\n`)
for (const [name, call] of calls) {
  write({ begins: name })
  try {
    await call()
    write({ name, error: null })
  } catch (error) {
    write({ name, error: error instanceof Error ? error.message : `no Error: ${text(error)}` })
  }
}

// And it still computes.
runner.release()
await runner.run(program, [])
write({ end: [...runner.readOutput(program, 2)] })
