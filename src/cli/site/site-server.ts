import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { extname, join, sep } from 'node:path'

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.jsonl': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
}

/** What lets a page share memory between its workers, and what it may load: only what is here. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
}

/** A server of files; of each address it gives out what the first folder has that has it. */
export function siteServer(folders: readonly string[]): Server {
  return createServer((request, response) => void answer(folders, request.url ?? '/', response))
}

async function answer(folders: readonly string[], address: string, response: ServerResponse): Promise<void> {
  for (const folder of folders) {
    const path = fileOf(folder, address)
    const size = path === undefined ? undefined : await sizeOf(path)
    if (path === undefined || size === undefined) continue
    const type = types[extname(path)] ?? 'application/octet-stream'
    response.writeHead(200, { ...headers, 'Content-Type': type, 'Content-Length': size })
    createReadStream(path)
      .on('error', () => response.destroy())
      .pipe(response)
    return
  }
  response.writeHead(404, headers).end('not found')
}

/** Bytes of a file; undefined where there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found.size : undefined
}

/** The file that an address names; undefined outside of the folder. */
function fileOf(folder: string, address: string): string | undefined {
  try {
    const { pathname } = new URL(address, 'http://page')
    const path = join(folder, decodeURIComponent(pathname))
    if (!path.startsWith(`${folder}${sep}`) || path.includes('\0')) return undefined
    return pathname.endsWith('/') ? join(path, 'index.html') : path
  } catch {
    return undefined
  }
}
