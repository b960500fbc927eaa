import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** Packed archives, as npm's registry would serve them: what `npm install` asks for, and no more. */
export interface LocalRegistry {
  url: string
  close(): void
}

interface Archive {
  file: Buffer
  manifest: { name: string; version: string }
}

/** Serves every archive of a folder. */
export async function serveArchives(folder: string): Promise<LocalRegistry> {
  const archives = new Map<string, Archive>()
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.tgz'))) {
    const file = readFileSync(join(folder, name))
    const manifest = manifestOf(file)
    archives.set(manifest.name, { file, manifest })
  }
  const server = createServer(({ url: asked = '' }, response) => {
    const [name, isArchive] = decodeURIComponent(asked.slice(1)).split('/-/')
    const archive = archives.get(name)
    if (archive === undefined) return void response.writeHead(404).end('{}')
    if (isArchive !== undefined) return void response.end(archive.file)
    const { manifest, file } = archive
    const dist = {
      tarball: `${url}${manifest.name}/-/${manifest.version}.tgz`,
      integrity: `sha512-${createHash('sha512').update(file).digest('base64')}`,
    }
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        name,
        'dist-tags': { latest: manifest.version },
        versions: { [manifest.version]: { ...manifest, dist } },
      }),
    )
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return { url, close: () => server.close() }
}

function manifestOf(archive: Buffer): Archive['manifest'] {
  return JSON.parse(fileOf(archive, 'package.json').toString('utf8')) as Archive['manifest']
}

/** A file of a packed archive: a tar of blocks of 512 bytes, each file behind a block with its name and its size in octal digits. */
export function fileOf(archive: Buffer, name: string): Buffer {
  const tar = gunzipSync(archive)
  for (let at = 0; at < tar.length;) {
    const field = (from: number, length: number): string =>
      tar.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '')
    const size = Number.parseInt(field(124, 12), 8) || 0
    if (field(0, 100) === `package/${name}`) return tar.subarray(at + 512, at + 512 + size)
    at += 512 + Math.ceil(size / 512) * 512
  }
  throw new Error(`an archive without ${name}`)
}
