import { readFile, writeFile } from 'node:fs/promises'

interface Turn {
  role: string
  content: string
}

/** Makes pairs of conversations: each one's last answer is chosen, that of the next conversation rejected. */
export async function writePairs(data: string, pairs: string, count = Infinity): Promise<void> {
  const lines = (await readFile(data, 'utf8')).trimEnd().split('\n')
  const chats = lines.map((line) => (JSON.parse(line) as { messages: Turn[] }).messages)
  const rows = chats.slice(0, count).flatMap((messages, i) => {
    const other = chats[(i + 1) % chats.length]
    const [chosen, rejected] = [messages.slice(-1), other.slice(-1)]
    if (chosen[0].content === rejected[0].content) return []
    return [JSON.stringify({ prompt: messages.slice(0, -1), chosen, rejected })]
  })
  await writeFile(pairs, `${rows.join('\n')}\n`)
}
