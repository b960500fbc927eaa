// node scripts/side-by-side.mjs 'tsc --noEmit' knip: runs command lines beside each other, as many as there are cores, says what each
// said when it ends, and fails where one of them does.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'

const waiting = process.argv.slice(2)

const run = (command) =>
  new Promise((resolve) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (said += text))
    child.on('close', (code) => {
      process.stdout.write(said)
      if (code !== 0) {
        console.error(`${command}: ${code === null ? 'ended by a signal' : `exit ${code}`}`)
        process.exitCode = 1
      }
      resolve()
    })
  })

const worker = async () => {
  for (let command = waiting.shift(); command !== undefined; command = waiting.shift()) await run(command)
}
await Promise.all(Array.from({ length: availableParallelism() }, worker))
