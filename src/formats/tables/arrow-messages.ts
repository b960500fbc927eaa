import type { Message, MessageHeader } from 'apache-arrow'
import { FettleError, messageOf } from '../../error.ts'
import { placeOf, readBytes, type ByteInput } from './bytes.ts'

/** A whole message of a stream of Arrow. */
interface ArrowMessage {
  message: Message<MessageHeader>
  /** With its length, as it stands in the stream. */
  bytes: Uint8Array
}

/** More than any schema or batch says of itself. */
const mostMetadata = 1 << 28
const mostBody = 2 ** 31 - 1
const fileMagic = 'ARROW1'

/**
 * The messages of a stream or a file of Arrow, each whole: a file is a stream between a magic word and a footer.
 * Source: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
 *
 * @throws FettleError that says where it breaks off
 */
export async function* readArrowMessages(
  input: string | ByteInput,
  decode: (bytes: Uint8Array) => Message<MessageHeader>,
): AsyncGenerator<ArrowMessage> {
  const chunks = readBytes(input, 'a file of Arrow')
  try {
    yield* messagesOf(chunks, placeOf(input), decode)
  } finally {
    // Closes the file, also where nobody reads to the end.
    await chunks.return(undefined)
  }
}

async function* messagesOf(
  chunks: AsyncGenerator<Buffer>,
  place: string,
  decode: (bytes: Uint8Array) => Message<MessageHeader>,
): AsyncGenerator<ArrowMessage> {
  const bytes = createTaker(chunks)
  let count = 0
  const broken = (found: string): FettleError =>
    new FettleError({
      place,
      found: `${found}${count === 0 ? '' : ` behind ${count} messages`}`,
      expected: 'a whole stream or file of Arrow',
      cure: 'The file may have been cut off: make it anew.',
    })
  const start = await bytes.take(8)
  const isFile = start?.toString('latin1', 0, 6) === fileMagic
  if (!isFile && start !== undefined) bytes.giveBack(start)
  for (;;) {
    const prefix = await bytes.take(4)
    if (prefix === undefined) {
      // A stream may end without saying so; a file has more behind it.
      if (count === 0 || isFile || bytes.hasMore()) throw broken('Arrow that breaks off')
      return
    }
    const isMarked = prefix.readUInt32LE(0) === 0xffffffff
    const size = isMarked ? await bytes.take(4) : prefix
    if (size === undefined) throw broken('Arrow that breaks off')
    const length = size.readInt32LE(0)
    if (length === 0) break
    if (length < 0 || length > mostMetadata || (count === 0 && !isMarked && length > 1 << 24))
      throw broken('no Arrow')
    const metadata = await bytes.take(length)
    if (metadata === undefined) throw broken('Arrow that breaks off')
    const message = decodeMessage(metadata)
    if (message.isSchema() !== (count === 0)) throw broken('no Arrow')
    if (message.bodyLength < 0 || message.bodyLength > mostBody)
      throw broken(`a message of ${message.bodyLength} bytes`)
    const body = await bytes.take(message.bodyLength)
    if (body === undefined) throw broken('a batch that breaks off')
    count += 1
    yield {
      message,
      bytes: join(isMarked ? [prefix, size, metadata, body] : [prefix, metadata, body]),
    }
  }
  const end = await bytes.last(8)
  if (isFile && end.toString('latin1', end.length - 6) !== fileMagic) throw broken('a file without its end')
  if (!isFile && end.some((byte) => byte !== 0)) throw broken('something behind the end of the stream')

  function decodeMessage(metadata: Buffer): Message<MessageHeader> {
    try {
      return decode(metadata)
    } catch (error) {
      throw new FettleError(
        { place, found: `no Arrow: ${messageOf(error)}`, expected: 'a stream or file of Arrow' },
        { cause: error },
      )
    }
  }
}

/** Bytes in memory of their own, in which numbers of eight bytes stand where they may be read. */
function join(parts: readonly Buffer[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Takes so many bytes at a time from chunks of any size. */
function createTaker(chunks: AsyncGenerator<Buffer>) {
  let held: Buffer[] = []
  let heldBytes = 0
  const pull = async (): Promise<boolean> => {
    const { value, done } = await chunks.next()
    if (done === true) return false
    held.push(value)
    heldBytes += value.length
    return true
  }
  return {
    /** Undefined where there are fewer. */
    async take(count: number): Promise<Buffer | undefined> {
      while (heldBytes < count) if (!(await pull())) return undefined
      const all = held.length === 1 ? held[0] : Buffer.concat(held)
      const taken = all.subarray(0, count)
      held = [all.subarray(count)]
      heldBytes -= count
      return taken
    },
    giveBack(bytes: Buffer): void {
      held.unshift(bytes)
      heldBytes += bytes.length
    },
    hasMore: () => heldBytes > 0,
    /** The last bytes there are. */
    async last(count: number): Promise<Buffer> {
      let end = Buffer.alloc(0)
      do {
        end = Buffer.concat([end, ...held]).subarray(-count)
        held = []
        heldBytes = 0
      } while (await pull())
      return end
    },
  }
}
