import type { RecordBatch } from 'apache-arrow'
import { FettleError, messageOf } from '../../error.ts'
import { readArrowMessages } from './arrow-messages.ts'
import { columnReaders } from './arrow-values.ts'
import { placeOf, type ByteInput } from './bytes.ts'
import { decompressLz4 } from './lz4-frame.ts'

/**
 * The rows of a stream or a file of Arrow, one record batch in memory at a time, compressed or not. Integers and floats stay apart as
 * JSON's do, and columns that `datasets` marks as JSON are values again.
 * Source: https://arrow.apache.org/docs/format/Columnar.html
 *
 * @throws FettleError that names the file, and the batch, where it is not whole or holds a type that is not read
 */
export async function* readArrow(input: string | ByteInput): AsyncGenerator<Record<string, unknown>> {
  const arrow = await import('apache-arrow')
  const { decompress } = await import('fzstd')
  const { compressionRegistry, CompressionType, Message, RecordBatchReader } = arrow
  compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: (bytes) => aligned(decompressLz4(bytes)) })
  compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => aligned(decompress(bytes)) })

  const place = placeOf(input)
  let batchIndex = 0
  const explained = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      if (error instanceof FettleError) throw error
      throw new FettleError(
        {
          place: `${place}: record batch ${batchIndex}`,
          found: `Arrow that cannot be read: ${messageOf(error)}`,
          expected: 'columns of texts, numbers, lists and structs, as pyarrow writes them',
          cure: 'Write the file anew, for instance as Parquet.',
        },
        { cause: error },
      )
    }
  }
  /** What every batch needs before it: the schema and dictionaries. */
  let schema: Uint8Array = new Uint8Array(0)
  const dictionaries = new Map<bigint | number, Uint8Array[]>()
  let row = 0
  for await (const { message, bytes } of readArrowMessages(input, (metadata) => Message.decode(metadata))) {
    if (message.isSchema()) schema = bytes
    if (message.isDictionaryBatch()) {
      const { id, isDelta } = explained(() => message.header())
      // One that adds to another stands behind it; others take its place.
      dictionaries.set(id, isDelta ? [...(dictionaries.get(id) ?? []), bytes] : [bytes])
    }
    if (!message.isRecordBatch()) continue
    const batch = explained((): RecordBatch | undefined => {
      const parts = [schema, ...[...dictionaries.values()].flat(), bytes]
      const [found] = RecordBatchReader.from(parts)
      return found
    })
    if (batch === undefined) continue
    const columns = explained(() => columnReaders(arrow, batch, () => `${place}#${row}`))
    for (let i = 0; i < batch.numRows; i += 1) {
      yield explained(() => Object.fromEntries(columns.map(({ name, read }) => [name, read(i)])))
      row += 1
    }
    batchIndex += 1
  }
}

/** The library reads numbers of eight bytes where they stand. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
}
