import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { ConnectionError, open } from './http.ts'

const opcodes = { close: 8, ping: 9, pong: 10 } as const
/** No frame of a log is longer. */
const longestFrame = 1 << 28

/**
 * The texts that a server sends over a WebSocket, until it closes the connection: Node 20 has none of its own.
 * Source: RFC 6455
 *
 * @throws ConnectionError where the connection fails or is lost
 */
export async function* readWebSocket(
  address: URL,
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const { socket, head } = await connect(address, path)
  const end = (): void => void socket.destroy()
  signal?.addEventListener('abort', end)
  try {
    let held: Buffer = head
    const pieces: Buffer[] = []
    /** The texts that are whole; null where the server says that there are no more. */
    const read = function* (): Generator<string | null> {
      for (let frame = frameOf(held); frame; frame = frameOf(held)) {
        held = held.subarray(frame.size)
        const { opcode, isLast, payload } = frame
        if (opcode === opcodes.close) yield null
        else if (opcode === opcodes.ping) socket.write(masked(opcodes.pong, payload))
        else if (opcode !== opcodes.pong) {
          pieces.push(payload)
          if (isLast) yield Buffer.concat(pieces.splice(0)).toString('utf8')
        }
      }
    }
    const incoming = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.alloc(0)
      yield* socket as AsyncIterable<Buffer>
    }
    for await (const piece of incoming()) {
      held = Buffer.concat([held, piece])
      for (const text of read()) {
        if (text === null) return
        yield text
      }
    }
    if (signal?.aborted !== true) throw new Error('closed without a word')
  } catch (error) {
    if (signal?.aborted !== true)
      throw error instanceof ConnectionError ? error : new ConnectionError(address, error)
  } finally {
    signal?.removeEventListener('abort', end)
    socket.destroy()
  }
}

function connect(address: URL, path: string): Promise<{ socket: Socket; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const sent = open(address, path, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
      },
    })
    const fail = (error: Error): void => reject(new ConnectionError(address, error))
    sent.on('error', fail)
    sent.on('response', ({ statusCode }) => fail(new Error(`answer ${statusCode}`)))
    sent.on('upgrade', (_, socket: Socket, head: Buffer) => resolve({ socket, head }))
    sent.end()
  })
}

interface Frame {
  opcode: number
  isLast: boolean
  payload: Buffer
  /** Bytes with its head. */
  size: number
}

/** The frame at the beginning; undefined where it is not whole yet. A server's frames have no mask. */
function frameOf(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined
  const short = bytes[1] & 127
  const head = short === 126 ? 4 : short === 127 ? 10 : 2
  if (bytes.length < head) return undefined
  const length = head === 2 ? short : head === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (length > longestFrame) throw new Error(`a frame of ${length} bytes`)
  if (bytes.length < head + length) return undefined
  return {
    opcode: bytes[0] & 15,
    isLast: bytes[0] >= 128,
    payload: bytes.subarray(head, head + length),
    size: head + length,
  }
}

/** A short frame of a client, which has a mask; one of zeros changes nothing. */
function masked(opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([128 + opcode, 128 + payload.length, 0, 0, 0, 0]), payload])
}
