import { on, once } from 'node:events'
import { WebSocket } from 'ws'
import { ConnectionError, headersOf } from './http.ts'

/** No message of a log is longer. */
const longestMessage = 1 << 28

/**
 * The texts that a server sends over a WebSocket, until it closes the connection.
 *
 * @throws ConnectionError where the connection fails or is lost
 */
export async function* readWebSocket(
  address: URL,
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const socket = new WebSocket(new URL(path, address), { headers: headersOf(), maxPayload: longestMessage })
  const closed = once(socket, 'close')
  try {
    const messages = on(socket, 'message', { close: ['close'], ...(signal && { signal }) })
    for await (const [text] of messages as AsyncIterable<[Buffer]>) yield text.toString('utf8')
    const [code] = (await closed) as [number]
    if (code === lost) throw new Error('closed without a word')
  } catch (error) {
    if (signal?.aborted !== true) throw new ConnectionError(address, error)
  } finally {
    closed.catch(() => undefined)
    socket.terminate()
  }
}

/** The code of a connection that nobody closed: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5 */
const lost = 1006
