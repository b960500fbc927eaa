import { createReadStream, createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** The words of docs.jsonl, and how many each of its messages has. */
export interface Source {
  lines: string[]
  words: string[]
  shapes: { role: string; words: number }[][]
}

/** Reads docs.jsonl. */
export async function readSource(path: string): Promise<Source> {
  const source: Source = { lines: [], words: [], shapes: [] }
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line === '') continue
    const { messages } = JSON.parse(line) as { messages: { role: string; content: string }[] }
    source.lines.push(line)
    source.shapes.push(
      messages.map(({ role, content }) => {
        const words = content.split(/\s+/)
        source.words.push(...words)
        return { role, words: words.length }
      }),
    )
  }
  return source
}

/** The lines of docs.jsonl again and again. */
export function* repeated({ lines }: Source): Generator<string> {
  for (let i = 0; ; i++) yield lines[i % lines.length]
}

/**
 * Conversations no two of which are alike, as long as those of docs.jsonl: of ten words eight are of its own, drawn by chance, and two
 * are letters by chance.
 */
export function* unlike({ words, shapes }: Source, seed = 1): Generator<string> {
  const random = mulberry(seed)
  const draw = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]
  const letters = (): string =>
    Array.from({ length: 3 + Math.floor(random() * 7) }, () => draw([...'abcdefghijklmnopqrstuvwxyz'])).join(
      '',
    )
  for (let i = 0; ; i++) {
    const messages = draw(shapes).map(({ role, words: count }) => ({
      role,
      content: `${Array.from({ length: count }, () => (random() < 0.8 ? draw(words) : letters())).join(' ')} ${i}`,
    }))
    yield JSON.stringify({ messages })
  }
}

/** Writes lines until there are enough. */
export async function writeLines(
  path: string,
  lines: Iterable<string>,
  { rows = Infinity, bytes = Infinity }: { rows?: number; bytes?: number },
): Promise<{ rows: number; bytes: number }> {
  const file = createWriteStream(path, { highWaterMark: 1 << 20 })
  const written = { rows: 0, bytes: 0 }
  let part = ''
  const flush = async (): Promise<void> => {
    if (!file.write(part)) await once(file, 'drain')
    part = ''
  }
  for (const line of lines) {
    if (written.rows >= rows || written.bytes >= bytes) break
    part += `${line}\n`
    written.rows++
    written.bytes += Buffer.byteLength(line) + 1
    if (part.length > 1 << 20) await flush()
  }
  await flush()
  file.end()
  await once(file, 'close')
  return written
}

/** A generator of random numbers in [0, 1). Source: Tommy Ettinger, mulberry32. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
