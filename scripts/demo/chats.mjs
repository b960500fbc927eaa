// Writes the demo's chat set: node scripts/demo/chats.mjs assets
// demo.jsonl: 400 conversations of two questions about one topic; demo-eval.jsonl: 20 questions in words that
// the training set never uses for that fact.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { facts } from './facts.mjs'
import { createChooser } from './world.mjs'

const [folder = 'assets'] = process.argv.slice(2)
const { pick, shuffle } = createChooser(7)
const topics = [...new Set(facts.map((fact) => fact.topic))]
const turn = (question, answer) => [
  { role: 'user', content: question },
  { role: 'assistant', content: answer },
]
const trained = ({ questions }) => pick(questions.slice(0, -1))

const conversations = Array.from({ length: 400 }, (_, i) => {
  const [first, second] = shuffle(facts.filter((fact) => fact.topic === topics[i % topics.length]))
  return [...turn(trained(first), first.answer), ...turn(trained(second), second.answer)]
})
const heldOut = shuffle(facts)
  .slice(0, 20)
  .map(({ questions, answer }) => turn(questions.at(-1), answer))

const lines = (rows) => rows.map((messages) => `${JSON.stringify({ messages })}\n`).join('')
writeFileSync(join(folder, 'demo.jsonl'), lines(shuffle(conversations)))
writeFileSync(join(folder, 'demo-eval.jsonl'), lines(heldOut))
