// The page: forms and what they show. What computes is in worker.ts.
import type {
  FromWorker,
  Given,
  GivenFiles,
  Progress,
  Question,
  Questions,
  Shown,
  ToWorker,
} from './messages.ts'

const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' })
const waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>()
let nextId = 1
let onProgress: (progress: Progress) => void = () => {}

worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
  if ('progress' in data) {
    onProgress(data.progress)
    return
  }
  const asked = waiting.get(data.id)
  waiting.delete(data.id)
  if ('failure' in data) asked?.reject(new Error(data.failure))
  else asked?.resolve(data.answer)
}
worker.onerror = ({ message }) => {
  const failure = `What computes has ended: ${message || 'this browser cannot start it'}. Load the page again.`
  say('machine', failure, true)
  for (const { reject } of waiting.values()) reject(new Error(failure))
  waiting.clear()
}

function post(message: ToWorker): void {
  worker.postMessage(message)
}

function ask<Q extends Question>(question: Q, asks: Questions[Q]['asks']): Promise<Questions[Q]['answer']> {
  const id = nextId
  nextId += 1
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject })
    post({ id, question, asks } as ToWorker)
  })
}

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
let trained = false

const ofModel = ['start', 'ask', 'download', 'previous', 'next']

async function open(): Promise<void> {
  for (const id of ofModel) enable(id, false)
  await busy(['open-button'], 'opened', async () => {
    say('opened', 'Opening…')
    trained = false
    for (const id of ['place', 'progress', 'downloaded']) say(id, '')
    for (const id of ['mask', 'answers']) element(id).replaceChildren()
    draw([], 1)
    const asks = { model: given('model', demoModel), data: given('data', demoData) }
    const opened = await ask('open', { ...asks, wasm: new URL('engine.wasm', import.meta.url).href })
    const { parameters, threads, oneThread, leftOut } = opened
    rows = opened.rows
    say(
      'opened',
      `${(parameters / 1e6).toFixed(1)} million parameters, ${rows} conversations.${
        leftOut === null ? '' : ` ${leftOut.count} rows cannot be used; the first: ${leftOut.first}`
      }`,
      rows === 0,
    )
    const why = oneThread === null ? '' : `, since ${oneThread}`
    say(
      'machine',
      `The engine is WebAssembly with 128-bit vectors, on ${threads} thread${threads === 1 ? '' : 's'}${why}.`,
    )
    enable('ask', true)
    if (rows === 0) return
    enable('start', true)
    await show(0)
  })
}

async function show(index: number): Promise<void> {
  const shown = await ask('show', { index })
  shownIndex = index
  enable('previous', index > 0)
  enable('next', index + 1 < rows)
  element('mask').replaceChildren(...(shown ? coloured(shown) : []))
  say('place', shown ? `${index + 1} of ${rows}, ${shown.origin}: ${statusesOf(shown)}` : 'No conversation')
}

function statusesOf({ spans, tokens }: Shown): string {
  const learned = tokens.filter((token) => token.learned).length
  const statuses = [...new Set(spans.map(({ status }) => status))].join(', ') || 'nothing is learned'
  return `${learned} of ${tokens.length} tokens learned (${statuses})`
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
  onProgress = ({ step, maxSteps, loss, tokensPerSecond }) => {
    losses.push(loss)
    draw(losses, maxSteps)
    say(
      'progress',
      `Step ${step} of ${maxSteps}, loss ${loss.toFixed(3)}, ${Math.round(tokensPerSecond)} tokens a second`,
    )
  }
  // What is read aloud is how it ended, not each step.
  element('progress').ariaBusy = 'true'
  await busy(['start', 'ask', 'download', 'open-button'], 'progress', async () => {
    enable('stop', true)
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
      `${stopped ? 'Stopped' : 'Done'} after ${losses.length} steps in ${seconds} s, loss ${last}.`,
    )
    trained = true
  })
  enable('stop', false)
  enable('download', trained)
  element('progress').ariaBusy = 'false'
}

// --- 4. and 5.: questions, and the adapter

async function askModel(): Promise<void> {
  await busy(['ask'], 'answers', async () => {
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
  })
}

async function download(): Promise<void> {
  await busy(['download'], 'downloaded', async () => {
    const archive = await ask('adapter', null)
    const link = document.createElement('a')
    link.href = URL.createObjectURL(archive)
    link.download = 'adapter.zip'
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
    say('examined', count === 0 ? 'Nothing is wrong.' : `${count} thing${count === 1 ? '' : 's'} to look at.`)
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

whenSubmitted('open', 'open-button', open)
whenSubmitted('train', 'start', train)
whenSubmitted('chat', 'ask', askModel)
whenSubmitted('doctor', 'examine', examine)
whenClicked('previous', () => void show(shownIndex - 1))
whenClicked('next', () => void show(shownIndex + 1))
whenClicked('stop', () => post({ stop: true }))
whenClicked('download', () => void download())
void open()
