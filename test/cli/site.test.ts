import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { siteServer } from '../../src/cli/site/site-server.ts'
import { runCli } from './run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'fettle-site-'))
const [first, second] = ['site', 'assets'].map((name) => join(folder, name))
mkdirSync(first)
mkdirSync(join(second, 'model'), { recursive: true })
writeFileSync(join(first, 'index.html'), 'page')
writeFileSync(join(first, 'app.js'), 'script')
writeFileSync(join(second, 'app.js'), 'another')
writeFileSync(join(second, 'model', 'weights.wasm'), 'engine')
writeFileSync(join(folder, 'secret.txt'), 'secret')
mkdirSync(`${first}-2`)
writeFileSync(join(`${first}-2`, 'index.html'), 'beside')

const server = siteServer([first, second])
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

/** Asks for a path as it stands: fetch would tidy it up. */
async function ask(path: string): Promise<{ response: IncomingMessage; text: string }> {
  const { port } = server.address() as AddressInfo
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ port, path }, resolve).on('error', reject).end()
  })
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { response, text }
}

test.each([
  ['/', 'page', 'text/html; charset=utf-8'],
  ['/index.html?again', 'page', 'text/html; charset=utf-8'],
  ['/app.js', 'script', 'text/javascript; charset=utf-8'],
  ['/model/weights.wasm', 'engine', 'application/wasm'],
])('%s, with the headers that let workers share memory', async (path, expected, type) => {
  const { response, text } = await ask(path)
  expect([response.statusCode, text]).toEqual([200, expected])
  expect(response.headers).toMatchObject({
    'content-type': type,
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  })
})

test.each(['/../secret.txt', '/%2e%2e/secret.txt', '/..%2fsite-2/index.html', '/model', '/%00', '/%'])(
  '%s is not there',
  async (path) => {
    expect((await ask(path)).response.statusCode).toBe(404)
  },
)

test('a port that is none', async () => {
  const { code, stderr } = await runCli(['site', '--port', '-1'])
  expect(code).toBe(2)
  expect(stderr).toContain('--port: -1; expected a whole number from 0')
})
