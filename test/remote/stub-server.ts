import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/** A request that a stub was asked. */
export interface Asked {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: Buffer
}

/** A server that answers as a test says, and remembers what it was asked. */
export async function startStub(
  answer: (asked: Asked, response: ServerResponse) => void,
  upgrade: (asked: Asked, socket: Duplex) => void = (_, socket) => socket.destroy(),
): Promise<{ url: URL; asked: Asked[]; close(): Promise<void> }> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      const one = { method, path, headers, body: Buffer.concat(pieces) }
      asked.push(one)
      answer(one, response)
    })
  })
  server.on('upgrade', ({ method = '', url: path = '', headers }, socket) => {
    const one = { method, path, headers, body: Buffer.alloc(0) }
    asked.push(one)
    // RFC 6455, 4.2.2
    const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accepted = createHash('sha1').update(key).digest('base64')
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accepted}\r\n\r\n`,
    )
    // Sees when the client leaves.
    socket.resume()
    upgrade(one, socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
