// The page: forms and what they show. What computes is in worker.ts.
import { ask, post, whenEnded, whenProgressing } from './asking.ts'
import type { Given, GivenFiles, Shown } from './messages.ts'
import { plural } from '../src/plural.ts'

function element<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (!found) throw new Error(`no element ${id}`)
  return found as unknown as T
}

function say(id: string, text: string, isWrong = false): void {
  const place = element(id)
  place.textContent = text
  place.classList.toggle('wrong', isWrong)
}

/** A button that cannot be used now keeps the focus that it may have: a disabled one would lose it. */
function enable(id: string, can: boolean): void {
  element(id).setAttribute('aria-disabled', String(!can))
}

const isEnabled = (id: string): boolean => element(id).getAttribute('aria-disabled') !== 'true'

/** Does something that takes time, with buttons that cannot be used meanwhile, and says at `place` what went wrong. */
async function busy(buttons: string[], place: string, body: () => Promise<void>): Promise<void> {
  const before = buttons.filter(isEnabled)
  for (const id of buttons) enable(id, false)
  try {
    await body()
  } catch (error) {
    say(place, error instanceof Error ? error.message : String(error), true)
  } finally {
    for (const id of before) enable(id, true)
  }
}

function chosen(id: string): GivenFiles {
  const { files } = element<HTMLInputElement>(id)
  return Object.fromEntries([...(files ?? [])].map((file) => [file.name, file]))
}

/** What was chosen, else what is at the address that was given, else what the page has. */
function given(kind: 'model' | 'data', own: GivenFiles): Given {
  const files = chosen(`${kind}-files`)
  const address = element<HTMLInputElement>(`${kind}-address`).value.trim()
  if (Object.keys(files).length > 0) return { files }
  return address === '' ? { files: own } : { address }
}

const ofPage = (folder: string, names: string[]): GivenFiles =>
  Object.fromEntries(
    names.map((name) => [name, { address: new URL(`${folder}${name}`, import.meta.url).href }]),
  )
const demoModel = ofPage('tiny-llama/', [
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
])
const demoData = ofPage('', ['demo.jsonl'])

// --- 1. and 2.: model, data and masks

let shownIndex = 0
let rows = 0
let openings = 0
/** There is an adapter to download. */
let trained = false
/** Leaving the page would lose what was trained, or is being trained. */
let unsaved = false

const ofModel = ['start', 'ask', 'download', 'previous', 'next']
/** What waits while the model trains or answers. */
const usingModel = ['start', 'ask', 'download', 'open-button']

async function open(): Promise<void> {
  for (const id of ofModel) enable(id, false)
  await busy(['open-button'], 'opened', async () => {
    say('opened', 'Opening…')
    openings += 1
    trained = false
    unsaved = false
    for (const id of ['place', 'progress', 'asked', 'downloaded', 'machine']) say(id, '')
    for (const id of ['mask', 'answers']) element(id).replaceChildren()
    draw([], 1)
    const asks = { model: given('model', demoModel), data: given('data', demoData) }
    const opened = await ask('open', { ...asks, wasm: new URL('engine.wasm', import.meta.url).href })
    const { parameters, threads, vectors, oneThread, leftOut } = opened
    rows = opened.rows
    say(
      'opened',
      `${(parameters / 1e6).toFixed(1)} million parameters, ${plural(rows, 'conversation')}.${
        leftOut === null
          ? rows === 0
            ? ' There are no rows in the data: choose another file.'
            : ''
          : ` ${plural(leftOut.count, 'row')} cannot be used; the first: ${leftOut.first}`
      }`,
      rows === 0,
    )
    const why = oneThread === null ? '' : `, since ${oneThread}`
    say(
      'machine',
      `The engine is WebAssembly with 128-bit vectors (${vectors}), on ${plural(threads, 'thread')}${why}.`,
    )
    enable('ask', true)
    if (rows === 0) return
    enable('start', true)
    await show(0)
  })
}

async function show(index: number): Promise<void> {
  const opening = openings
  const shown = await ask('show', { index })
  // What was opened meanwhile shows its own.
  if (opening !== openings) return
  shownIndex = index
  enable('previous', index > 0)
  enable('next', index + 1 < rows)
  element('mask').replaceChildren(...(shown ? coloured(shown) : []))
  say('place', shown ? `${index + 1} of ${rows}, ${shown.origin}: ${statusesOf(shown)}` : 'No conversation')
}

function statusesOf({ spans, tokens }: Shown): string {
  const learned = tokens.filter((token) => token.learned).length
  const statuses = [...new Set(spans.map(({ status }) => status))].join(', ') || 'nothing is learned'
  return `${learned} of ${plural(tokens.length, 'token')} learned (${statuses})`
}

function coloured({ tokens }: Shown): HTMLElement[] {
  return tokens.map(({ text, learned, stops }) => {
    const span = document.createElement('span')
    span.textContent = text
    if (learned) span.className = stops ? 'stop' : 'learned'
    return span
  })
}

// --- 3.: training

function draw(losses: number[], maxSteps: number): void {
  const top = Math.max(...losses, 1e-9)
  const points = losses.map((loss, i) => {
    const x = maxSteps === 1 ? 300 : (600 * i) / (maxSteps - 1)
    return `${x.toFixed(1)},${(195 - (190 * loss) / top).toFixed(1)}`
  })
  const line = element('chart').querySelector('polyline')
  line?.setAttribute('points', points.join(' '))
}

async function train(): Promise<void> {
  const numberOf = (id: string): number => element<HTMLInputElement>(id).valueAsNumber
  const losses: number[] = []
  const began = performance.now()
  trained = false
  whenProgressing(({ step, maxSteps, loss, tokensPerSecond }) => {
    losses.push(loss)
    draw(losses, maxSteps)
    say(
      'progress',
      `Step ${step} of ${maxSteps}, loss ${loss.toFixed(3)}, ${plural(Math.round(tokensPerSecond), 'token')} a second`,
    )
  })
  // What is read aloud is how it ended, not each step.
  element('progress').ariaBusy = 'true'
  await busy(usingModel, 'progress', async () => {
    enable('stop', true)
    unsaved = true
    say('downloaded', '')
    say('progress', 'Preparing…')
    const { stopped } = await ask('train', {
      steps: numberOf('steps'),
      learningRate: numberOf('learning-rate'),
      rank: numberOf('rank'),
      maxLength: numberOf('max-length'),
    })
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const last = losses.at(-1)?.toFixed(3) ?? 'none'
    say(
      'progress',
      `${stopped ? 'Stopped' : 'Done'} after ${plural(losses.length, 'step')} in ${seconds} s, loss ${last}.`,
    )
    trained = true
  })
  unsaved = trained
  enable('stop', false)
  enable('download', trained)
  element('progress').ariaBusy = 'false'
}

// --- 4. and 5.: questions, and the adapter

async function askModel(): Promise<void> {
  await busy(usingModel, 'asked', async () => {
    say('asked', 'Answering…')
    element('answers').replaceChildren()
    const question = element<HTMLInputElement>('question').value
    const { before, after } = await ask('ask', { question })
    const lines =
      before === null
        ? [['It says', after]]
        : [
            ['Before', before],
            ['After', after],
          ]
    element('answers').replaceChildren(
      ...lines.flatMap(([title, text]) => {
        const term = document.createElement('dt')
        term.textContent = title
        const said = document.createElement('dd')
        said.textContent = text
        return [term, said]
      }),
    )
    say('asked', '')
  })
}

async function download(): Promise<void> {
  await busy(['download'], 'downloaded', async () => {
    const archive = await ask('adapter', null)
    const link = document.createElement('a')
    link.href = URL.createObjectURL(archive)
    link.download = 'adapter.zip'
    unsaved = false
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
    say('downloaded', `adapter.zip, ${Math.round(archive.size / 1024)} kB`)
  })
}

// --- tokenizer, template and data of one's own

async function examine(): Promise<void> {
  await busy(['examine'], 'examined', async () => {
    say('examined', 'Reading…')
    for (const id of ['diagnoses', 'examples']) element(id).replaceChildren()
    const asks = { files: chosen('examined-files'), data: chosen('examined-data') }
    const { diagnoses, shown } = await ask('examine', asks)
    const count = diagnoses.length
    say('examined', count === 0 ? 'Nothing is wrong.' : `${plural(count, 'thing')} to look at.`)
    element('diagnoses').replaceChildren(
      ...diagnoses.map(({ severity, place, found, why, cure }) => {
        const item = document.createElement('li')
        const title = document.createElement('strong')
        title.textContent = `${severity}: ${place}: ${found}`
        item.append(title, ` ${why} ${cure}`)
        return item
      }),
    )
    element('examples').replaceChildren(
      ...shown.flatMap((example) => {
        const title = document.createElement('p')
        title.textContent = `${example.origin}: ${statusesOf(example)}`
        const text = document.createElement('pre')
        text.tabIndex = 0
        text.append(...coloured(example))
        return [title, text]
      }),
    )
  })
}

function whenClicked(id: string, body: () => void): void {
  element(id).addEventListener('click', () => {
    if (isEnabled(id)) body()
  })
}

/** @param button  what submits the form: nothing does where it cannot be used */
function whenSubmitted(id: string, button: string, body: () => Promise<void>): void {
  element(id).addEventListener('submit', (event) => {
    event.preventDefault()
    if (isEnabled(button)) void body()
  })
}

whenEnded((failure) => say('machine', failure, true))
addEventListener('beforeunload', (event) => {
  if (unsaved) event.preventDefault()
})
whenSubmitted('open', 'open-button', open)
whenSubmitted('train', 'start', train)
whenSubmitted('chat', 'ask', askModel)
whenSubmitted('doctor', 'examine', examine)
whenClicked('previous', () => void show(shownIndex - 1))
whenClicked('next', () => void show(shownIndex + 1))
whenClicked('stop', () => post({ stop: true }))
whenClicked('download', () => void download())
void open()
