import { spawn } from 'node:child_process'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { storages, type StorageName } from '../../src/export/onnx/storage.ts'
import { answersOfFettle, questions, type ChatPaths } from './chat.ts'
import type { Runtimes } from './runtimes.ts'

/** What the page says when it is done. */
interface PageResult {
  dtype: string
  answers?: string[]
  error?: string
  seconds?: number
}

const mimeTypes = new Map([
  ['.html', 'text/html'],
  ['.js', 'text/javascript'],
  ['.mjs', 'text/javascript'],
  ['.json', 'application/json'],
  ['.wasm', 'application/wasm'],
])

const mostMs = 600_000

/** Asks the exported model in Chromium, through WebAssembly, and compares with fettle's answers. */
export async function checkInBrowser(
  { folder }: Runtimes,
  { model, out }: ChatPaths,
  types: readonly StorageName[],
): Promise<boolean> {
  const folders = new Map([
    ['/models/', join(out, 'onnx-model')],
    ['/transformers/', join(folder, 'node_modules', '@huggingface', 'transformers', 'dist')],
    ['/ort/', join(folder, 'node_modules', 'onnxruntime-web', 'dist')],
  ])
  const expected = await answersOfFettle(model, join(out, 'adapter'))
  let isRight = true
  for (const type of types) {
    const { dtype } = storages[type]
    const result = await askPage(folders, dtype)
    const answers = result.answers ?? []
    const equal = answers.filter((answer, i) => answer.trim() === expected[i]?.trim()).length
    console.log(
      `chromium ${type}: ${result.error ?? `${equal} of ${questions.length} answers equal in ${result.seconds ?? 0} s`}`,
    )
    if (type === 'f32' && equal < questions.length) {
      console.log(JSON.stringify({ answers, expected }))
      isRight = false
    }
    if (result.error) isRight = false
  }
  return isRight
}

async function askPage(folders: ReadonlyMap<string, string>, dtype: string): Promise<PageResult> {
  const profile = await mkdtemp(join(tmpdir(), 'fettle-chromium-'))
  let done: (result: PageResult) => void = () => {}
  const answered = new Promise<PageResult>((resolve) => (done = resolve))
  const server = createServer((request, response) => void serve(request, response, folders, dtype, done))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`]
  const browser = spawn('chromium', [...flags, `http://127.0.0.1:${port}/`], { stdio: 'ignore' })
  const timer = setTimeout(() => done({ dtype, error: `nothing after ${mostMs / 1000} s` }), mostMs)
  browser.on('error', (error) => done({ dtype, error: error.message }))
  const result = await answered
  clearTimeout(timer)
  browser.kill()
  server.closeAllConnections()
  server.close()
  await rm(profile, { recursive: true, force: true }).catch(() => {})
  return result
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  folders: ReadonlyMap<string, string>,
  dtype: string,
  done: (result: PageResult) => void,
): Promise<void> {
  const url = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
  if (request.method === 'POST') {
    let text = ''
    for await (const part of request.setEncoding('utf8')) text += part as string
    response.end()
    done(JSON.parse(text) as PageResult)
    return
  }
  if (url === '/') {
    response.setHeader('content-type', 'text/html').end(page(dtype))
    return
  }
  const [prefix, folder] = [...folders].find(([each]) => url.startsWith(each)) ?? []
  const path = prefix !== undefined && folder !== undefined ? join(folder, url.slice(prefix.length)) : ''
  if (path === '' || !existsSync(path) || !statSync(path).isFile()) {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, {
    'content-type': mimeTypes.get(extname(path)) ?? 'application/octet-stream',
    'content-length': statSync(path).size,
  })
  if (request.method === 'HEAD') response.end()
  else createReadStream(path).pipe(response)
}

function page(dtype: string): string {
  return `<!doctype html><script type="module">
const send = (result) => fetch('/result', { method: 'POST', body: JSON.stringify({ dtype: '${dtype}', ...result }) })
try {
  const { env, pipeline } = await import('/transformers/transformers.min.js')
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = '/'
  env.useBrowserCache = false
  env.backends.onnx.wasm.wasmPaths = '/ort/'
  env.backends.onnx.wasm.numThreads = 1
  const started = performance.now()
  const generator = await pipeline('text-generation', 'models', { dtype: '${dtype}', device: 'wasm' })
  const answers = []
  for (const content of ${JSON.stringify(questions)}) {
    const [{ generated_text }] = await generator([{ role: 'user', content }], { max_new_tokens: 40, do_sample: false })
    answers.push(generated_text.at(-1).content)
  }
  await send({ answers, seconds: Math.round((performance.now() - started) / 1000) })
} catch (error) {
  await send({ error: String(error?.stack ?? error) })
}
</script>`
}
