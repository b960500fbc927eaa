import type { Problem } from '../../../error.ts'
import { readTensorBytes, type TensorInfo } from '../../../formats/index.ts'
import type { ModelDescription } from '../../families/index.ts'
import type { StoredTensors } from './stored-tensors.ts'

/** Bytes that are compared at once. */
const chunkBytes = 1 << 22

/**
 * A model whose config.json says that its head is its embedding, as its weights have it. Where they hold a head with other
 * numbers, that one is the head; where they hold a head only, it is the embedding, too. So it is in transformers 5.
 *
 * @throws FettleError when the weights cannot be read
 */
export async function withStoredHead(
  described: ModelDescription,
  place: string,
  stored: StoredTensors,
): Promise<{ described: ModelDescription; stored: StoredTensors }> {
  const { architecture, config, notices } = described
  const key = architecture.embedding.table.key
  const head = stored.find(architecture.head.key)
  const table = stored.find(key)
  if (!architecture.isTied || !head) return { described, stored }
  if (!table)
    return { described, stored: { ...stored, find: (name) => (name === key ? head : stored.find(name)) } }
  if (await areEqual(head, table)) return { described, stored }
  const notice: Problem = {
    place: `${place}: tie_word_embeddings`,
    found: `true, but ${head.name} of the weights has other numbers than ${table.name}`,
    expected: 'false; so it is read',
  }
  const untied: ModelDescription = {
    ...described,
    config: { ...config, raw: { ...config.raw, tie_word_embeddings: false } },
    architecture: { ...architecture, isTied: false },
    notices: [...notices, notice],
  }
  return { described: untied, stored }
}

async function areEqual(a: TensorInfo, b: TensorInfo): Promise<boolean> {
  if (a.dtype !== b.dtype || a.byteLength !== b.byteLength) return false
  if (a.path === b.path && a.offset === b.offset) return true
  for (let done = 0; done < a.byteLength; done += chunkBytes) {
    const byteLength = Math.min(chunkBytes, a.byteLength - done)
    const [left, right] = await Promise.all(
      [a, b].map(({ path, offset }) => readTensorBytes({ path, offset: offset + done, byteLength })),
    )
    if (Buffer.compare(left, right) !== 0) return false
  }
  return true
}
