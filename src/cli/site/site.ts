import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { packageFolder } from '../../version.ts'
import { defineCommand } from '../command.ts'
import { wholeNumber } from '../flags/flags.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { hear, keySignals } from '../terminal/interruptible.ts'
import { siteServer, sizeOf } from './site-server.ts'
import { terminalOf } from '../terminal/terminal.ts'

/** Gives out the page that fine-tunes in the browser. */
export const site = defineCommand({
  flags: {
    port: {
      type: 'number',
      description: 'Where it listens, on this machine only; default 4173, 0 takes a free one',
    },
    json: { type: 'boolean', description: 'Prints {"url"}' },
  },
  details:
    'Runs until Ctrl-C. In a clone, npm run site makes the page: the folder dist/site, for any web server. With the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp it uses several threads.',
  examples: ['site', 'site --port 8080'],
  async run({ port = 4173, json = false }) {
    wholeNumber('--port', port, 0)
    const folder = join(packageFolder(), 'dist', 'site')
    if ((await sizeOf(join(folder, 'index.html'))) === undefined)
      throw new FettleError({
        place: folder,
        found: 'no page',
        expected: 'the page that the package has',
        cure: 'In a clone, npm run site builds it.',
      })
    // npm's package has the model, the data and the engine once only.
    const server = siteServer([folder, join(packageFolder(), 'assets')])
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    }).catch((error: NodeJS.ErrnoException) => {
      throw new FettleError({
        place: '--port',
        found: error.code === 'EADDRINUSE' ? `${port}, which another program uses` : error.message,
        expected: 'a free port',
        cure: 'Use --port 0 to take any free one.',
      })
    })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    if (json) writeJsonLine({ url })
    else terminalOf(process.stdout).write(`${url}  (Ctrl-C ends it)\n`)
    await new Promise<void>((resolve) => {
      const deaf = hear(keySignals, () => {
        deaf()
        resolve()
      })
    })
    server.closeAllConnections()
    server.close()
  },
})
