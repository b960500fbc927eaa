import { readFileSync } from 'node:fs'
import type { Message } from '../../src/chat/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'

/** One pass over all conversations. */
export interface Round {
  seconds: number
  cpuSeconds: number
}

/** What one side prints: its passes, and what came out of one, which must be the same on both sides. */
export interface SideResult {
  /** The second half of the conversations, right after the first half: texts that were never seen, by a program that is warm. */
  unseen: Round & { tokens: number }
  rounds: Round[]
  tokens: number
  learned: number
}

/** fettle's side: template, mask and tokens of all conversations, several times. */
export async function measureFettle(model: string, data: string, rounds: number): Promise<SideResult> {
  const tokenizer = await AutoTokenizer.fromPretrained(model)
  const lines = readFileSync(data, 'utf8').trim().split('\n')
  const chats = lines.map((line): { messages: Message[] } => JSON.parse(line))
  const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0)
  let encodings: Awaited<ReturnType<typeof tokenizer.encodeChats>> = []
  const pass = async (part = chats): Promise<Round> => {
    const cpu = process.cpuUsage()
    const start = performance.now()
    encodings = await tokenizer.encodeChats(part)
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpu)
    return { seconds, cpuSeconds: (user + system) / 1e6 }
  }
  const half = chats.length >> 1
  await pass(chats.slice(0, half))
  const unseen = await pass(chats.slice(half))
  const tokens = () => sum(encodings.map(({ inputIds }) => inputIds.length))
  const unseenTokens = tokens()
  const measured: Round[] = []
  while (measured.length < rounds) measured.push(await pass())
  return {
    unseen: { ...unseen, tokens: unseenTokens },
    rounds: measured,
    tokens: tokens(),
    learned: sum(encodings.map(({ mask }) => sum(mask))),
  }
}
