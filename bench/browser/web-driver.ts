import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What is asked of a browser by W3C's WebDriver: https://www.w3.org/TR/webdriver2 */
export interface WebDriver {
  version: string
  open(address: string): Promise<void>
  /** The value of a JavaScript expression in the page; a promise is waited for. */
  evaluate<T>(expression: string): Promise<T>
  /** Presses keys one after the other, wherever the focus is; `Tab` and `Enter` by these names. */
  press(...keys: string[]): Promise<void>
  /** @returns PNG */
  screenshot(): Promise<Buffer>
  end(): Promise<void>
}

const named: Record<string, string> = { Tab: '\uE004', Enter: '\uE007' }

/** WebKitGTK's MiniBrowser, from Debian's webkit2gtk-driver; it wants a display: xvfb-run. */
export async function startWebKit(downloads: string, port = 4567): Promise<WebDriver> {
  // It saves where the desktop says that downloads go.
  const settings = await mkdtemp(join(tmpdir(), 'fettle-webkit-'))
  await writeFile(join(settings, 'user-dirs.dirs'), `XDG_DOWNLOAD_DIR="${downloads}"\n`)
  const driver = spawn('/usr/bin/WebKitWebDriver', [`--port=${port}`], {
    stdio: 'ignore',
    env: { ...process.env, XDG_CONFIG_HOME: settings, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' },
  })
  const root = `http://127.0.0.1:${port}`
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(root + path, { method, ...(body && { body: JSON.stringify(body) }) })
    const { value } = (await answer.json()) as { value: unknown }
    if (!answer.ok) throw new Error(`WebDriver ${path}: ${JSON.stringify(value)}`)
    return value
  }
  for (let tried = 0; tried < 100; tried += 1) {
    if (await ask('GET', '/status').then(Boolean, () => false)) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const { sessionId, capabilities } = (await ask('POST', '/session', {
    capabilities: { alwaysMatch: { timeouts: { script: 600_000 } } },
  })) as { sessionId: string; capabilities: { browserVersion: string } }
  const path = `/session/${sessionId}`
  return {
    version: capabilities.browserVersion,
    open: async (address) => void (await ask('POST', `${path}/url`, { url: address })),
    evaluate: async <T>(expression: string) =>
      (await ask('POST', `${path}/execute/async`, {
        script: `const done = arguments[0]; Promise.resolve(${expression}).then(done, (error) => done(String(error)))`,
        args: [],
      })) as T,
    press: async (...keys) => {
      const actions = keys.flatMap((key) => {
        const value = named[key] ?? key
        return [
          { type: 'keyDown', value },
          { type: 'keyUp', value },
        ]
      })
      await ask('POST', `${path}/actions`, { actions: [{ type: 'key', id: 'keyboard', actions }] })
    },
    screenshot: async () => Buffer.from(String(await ask('GET', `${path}/screenshot`)), 'base64'),
    end: async () => {
      await ask('DELETE', path).catch(() => undefined)
      driver.kill()
      await rm(settings, { recursive: true })
    },
  }
}
