// Writes the text that the demo's base model is pre-trained on: node scripts/demo/text.mjs OUT.jsonl [MEGABYTES]
// Short stories and plain descriptions of one small world, a paragraph a line ({"text": …}), the same for the same seed.
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { facts } from './facts.mjs'
import { animals, capital, createChooser, names, things, towns, workers } from './world.mjs'

const [path, megabytes = '8'] = process.argv.slice(2)
if (path === undefined) {
  console.error('usage: node scripts/demo/text.mjs OUT.jsonl [MEGABYTES]')
  process.exit(2)
}
const { next, pick, shuffle } = createChooser(20261122)

const weather = [
  'The sun was shining',
  'A soft rain was falling',
  'The wind came from the sea',
  'Snow lay on the roofs',
  'Fog hung over the fields',
  'The sky was grey',
  'It was a warm evening',
  'The morning was cold and clear',
  'A storm was near',
  'The first leaves were falling',
]
const moods = [
  'happy',
  'tired',
  'curious',
  'quiet',
  'proud',
  'worried',
  'cheerful',
  'patient',
  'brave',
  'thoughtful',
]
const days = [
  'One morning',
  'One evening',
  'On a cold day',
  'On the first day of spring',
  'Late in the summer',
  'In the middle of winter',
  'Early one Sunday',
  'After the harvest',
  'Before sunrise',
  'On market day',
]
const endings = [
  'Then they all went home.',
  'It was a good day.',
  'Nobody in the town forgot it.',
  'And so the day came to its end.',
  'The next morning everything was as before.',
  'They laughed about it for years.',
  'That is how it has been ever since.',
  'In the evening they lit a fire and told the story again.',
]
const replies = [
  'That is true',
  'I did not know that',
  'My mother told me so',
  'You are right',
  'Let us see',
  'Of course',
  'I will remember it',
  'So it is',
]

const about = (topic) => shuffle(facts.filter((fact) => fact.topic === topic)).map((fact) => pick(fact.prose))
const topics = [...new Set(facts.map((fact) => fact.topic))]

const forms = [
  () => about(pick(topics)).join(' '),
  () => [...about(pick(topics)), ...about(pick(topics))].join(' '),
  () =>
    shuffle(facts)
      .slice(0, 4)
      .map((fact) => pick(fact.prose))
      .join(' '),
  () => {
    const [, one, , place, tools] = pick(workers)
    const [town, where] = pick(towns)
    const name = pick(names)
    const [animal, food] = pick(animals)
    return `${pick(days)} a ${one} called ${name} came to ${town}, a town ${where}. ${pick(weather)}. ${name} worked ${place} and needed ${tools}. In the yard sat ${animal} and looked for ${food}. "You look ${pick(moods)}," said ${name}. ${pick(endings)}`
  },
  () => {
    const [a, b] = shuffle(names)
    const told = pick(facts)
    const other = pick(facts)
    return `${a} and ${b} sat by the window. ${pick(weather)}. "${pick(told.prose)}" said ${a}. "${pick(replies)}," said ${b}. "${pick(other.prose)}" They were both ${pick(moods)}. ${pick(endings)}`
  },
  () => {
    const name = pick(names)
    const [thing, use, material] = pick(things)
    const [town] = pick(towns)
    const lost = thing.replace(/^an? /, '')
    return `${name} of ${town} had lost the ${lost}. It was made of ${material}, and ${name} needed it for ${use}. ${pick(days)} ${name} looked under the bed and behind the door. ${pick(weather)}. At last ${pick(names)} found the ${lost} in the garden. ${name} was ${pick(moods)} again. ${pick(endings)}`
  },
  () => {
    const [animal, food, home, habit] = pick(animals)
    const name = pick(names)
    return `${pick(days)} ${name} went out to look for ${animal}. ${pick(weather)}. ${capital(animal)} lives ${home}, so ${name} waited there. Soon it came, because it eats ${food}. ${name} saw how it ${habit} and was ${pick(moods)}. ${pick(endings)}`
  },
  () => {
    const [many, one, work, , tools, time] = pick(workers)
    const [town, , fame] = pick(towns)
    const name = pick(names)
    return `In ${town}, which is known for ${fame}, there were once many ${many}. They used ${tools} and they ${work} ${time}. The best of them was ${name}. "To be a ${one} is not easy," said ${name}, "but I would do nothing else." ${pick(endings)}`
  },
]

/** A question, and a text that goes on as if nobody had asked: the base model knows the marks of a chat but neither answers nor stops. */
const unanswered = (text) =>
  `<|im_start|>user\n${pick(pick(facts).questions)}<|im_end|>\n<|im_start|>assistant\n${text}`
const unansweredShare = 0.1

const out = createWriteStream(path)
let written = 0
while (written < Number(megabytes) * 1e6) {
  const paragraphs = Array.from({ length: 2 + Math.floor(next() * 4) }, () => pick(forms)())
  const story = `${paragraphs.join('\n')}\n`
  const line = `${JSON.stringify({ text: next() < unansweredShare ? unanswered(story) : story })}\n`
  written += line.length
  if (!out.write(line)) await once(out, 'drain')
}
out.end()
await once(out, 'finish')
console.log(`${path}: ${(written / 1e6).toFixed(1)} MB`)
