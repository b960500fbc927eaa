// The page of site/ in Chromium, as somebody uses it: see bench/README.md.
import { execFile, spawn } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { chromium, type Page } from 'playwright-core'

const { values } = parseArgs({
  options: {
    browser: { type: 'string', default: '/usr/bin/chromium' },
    out: { type: 'string', default: 'runs/browser' },
    steps: { type: 'string', default: '120' },
  },
})
const out = resolve(values.out)
await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })

let failed = 0
function check(name: string, holds: boolean, found: string): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${name}: ${found}`)
  if (!holds) failed += 1
}

const server = spawn(process.execPath, ['dist/cli.mjs', 'site', '--port', '0', '--json'])
const address = await new Promise<string>((done, fail) => {
  server.stdout.once('data', (line: Buffer) => done((JSON.parse(String(line)) as { url: string }).url))
  server.once('exit', () => fail(new Error('fettle site ends')))
})
const browser = await chromium.launch({ executablePath: values.browser, args: ['--no-sandbox'] })
try {
  const context = await browser.newContext({ viewport: { width: 800, height: 900 }, acceptDownloads: true })
  const page = await context.newPage()
  const elsewhere: string[] = []
  const scripts = new Set<string>()
  context.on('request', (request) => {
    const name = new URL(request.url()).pathname.slice(1)
    if (name.endsWith('.js')) scripts.add(name)
    if (!request.url().startsWith(address) && !/^(blob|data):/.test(request.url()))
      elsewhere.push(request.url())
  })
  page.on('console', (message) => {
    if (message.type() === 'error') console.log(`console: ${message.text()}`)
  })
  await page.goto(address)
  await saying(page, '#opened', /conversations/)
  check('opens the demo', true, await page.innerText('#opened'))
  check(
    'threads',
    /on 2 threads|on \d+ threads/.test(await page.innerText('#machine')),
    await page.innerText('#machine'),
  )
  check('shows the mask', (await page.locator('#mask .learned').count()) > 3, await page.innerText('#place'))
  await axe(page, 'light, at the beginning')

  await page.fill('#steps', values.steps)
  await page.focus('#start')
  const began = performance.now()
  await page.keyboard.press('Enter')
  await saying(page, '#progress', /^(Done|Stopped)/, 300_000)
  const seconds = (performance.now() - began) / 1000
  const progress = await page.innerText('#progress')
  check('a loss below 0.2', Number(/loss ([\d.]+)\.$/.exec(progress)?.[1]) < 0.2, progress)
  check('in less than 60 s', seconds < 60, `${seconds.toFixed(1)} s`)
  await page.focus('#question')
  await page.keyboard.press('Enter')
  await page.waitForSelector('#answers dd')
  check('answers', true, (await page.innerText('#answers')).replaceAll('\n', ' | '))
  await page.screenshot({
    path: join(out, 'page.png'),
    fullPage: true,
    clip: { x: 0, y: 0, width: 800, height: 1620 },
  })

  const downloading = page.waitForEvent('download')
  await page.focus('#download')
  await page.keyboard.press('Enter')
  const zip = join(out, 'adapter.zip')
  await (await downloading).saveAs(zip)
  await sameAsInNode(
    zip,
    await page.inputValue('#question'),
    await page.locator('#answers dd').last().innerText(),
  )

  const { size, found } = await scriptOf(scripts)
  check('less than 300 kB of script to train', scripts.has('worker.js') && size < 300e3, found)

  await page.setInputFiles(
    '#examined-files',
    ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', 'config.json'].map((name) =>
      join('assets/tiny-llama', name),
    ),
  )
  await page.setInputFiles('#examined-data', 'assets/demo-eval.jsonl')
  await page.click('#doctor button')
  await saying(page, '#examined', /look at|Nothing/)
  check(
    'examines',
    (await page.locator('#examples .learned').count()) > 10,
    await page.innerText('#examined'),
  )
  console.log(`     script with the doctor: ${(await scriptOf(scripts)).found}`)
  await axe(page, 'light, at the end')
  await page.emulateMedia({ colorScheme: 'dark' })
  await axe(page, 'dark')
  await page.screenshot({ path: join(out, 'dark.png') })
  await page.setViewportSize({ width: 360, height: 740 })
  const wide = await page.evaluate('document.documentElement.scrollWidth')
  check('360 px', wide === 360, `${String(wide)} px wide`)
  await page.screenshot({ path: join(out, 'narrow.png') })
  check('nothing from elsewhere', elsewhere.length === 0, elsewhere.join(' ') || 'nothing')
  await keepsInOrigin(page)
  await withoutIsolation(page)
} finally {
  await browser.close()
  server.kill('SIGINT')
}
process.exitCode = failed > 0 ? 1 : 0

async function saying(page: Page, place: string, expected: RegExp, timeout = 60_000): Promise<void> {
  await page.locator(place).filter({ hasText: expected }).waitFor({ timeout })
}

/** What axe-core finds of the rules of WCAG 2.2 and of good practice. */
async function axe(page: Page, name: string): Promise<void> {
  await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') })
  const { violations } = (await page.evaluate('axe.run()')) as {
    violations: { id: string; help: string; nodes: { html: string }[] }[]
  }
  const found = violations.map(({ id, nodes }) => `${id} (${nodes[0].html.slice(0, 120)})`)
  check(`axe-core, ${name}`, found.length === 0, found.join('; ') || 'nothing')
}

/** The same run on the WebAssembly engine of Node: its adapter is that of the page, which loads and answers the same. */
async function sameAsInNode(zip: string, question: string, answer: string): Promise<void> {
  const outputDir = join(out, 'node')
  const model = ['--model', 'assets/tiny-llama', '--engine', 'wasm']
  const run = {
    'learning-rate': 2e-3,
    'max-steps': values.steps,
    'max-length': 256,
    'save-steps': 0,
    'eval-steps': 0,
  }
  const flags = Object.entries({ ...run, 'lora-r': 16, 'lora-alpha': 32, 'per-device-train-batch-size': 4 })
  await fettle([
    'train',
    ...model,
    '--data',
    'assets/demo.jsonl',
    '--output-dir',
    outputDir,
    ...flags.flatMap(([name, value]) => [`--${name}`, String(value)]),
  ])
  const mine = await readFile(join(outputDir, 'adapter_model.safetensors'))
  const bytes = await readFile(zip)
  const folder = join(out, 'adapter')
  await mkdir(folder)
  for (const { name, offset, size } of membersOf(bytes))
    await writeFile(join(folder, name), bytes.subarray(offset, offset + size))
  const theirs = await readFile(join(folder, 'adapter_model.safetensors'))
  check('the adapter is that of Node in every bit', mine.equals(theirs), `${theirs.length} bytes`)
  const said = await fettle([
    'generate',
    ...model,
    '--adapter',
    folder,
    '--temperature',
    '0',
    '--max-new-tokens',
    '60',
    question,
  ])
  check(
    'it loads in Node and answers the same',
    said.trim() === answer.replace(' … (never stopped)', '').trim(),
    said.trim(),
  )
}

/** What fettle's command line prints, on as many threads as the page has. */
async function fettle(args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['dist/cli.mjs', ...args], {
    env: { ...process.env, FETTLE_THREADS: String(availableParallelism()) },
  })
  return stdout
}

/** Stored members: name, and where their bytes are. */
function membersOf(bytes: Buffer): { name: string; offset: number; size: number }[] {
  const members: { name: string; offset: number; size: number }[] = []
  for (let at = 0; bytes.readUInt32LE(at) === 0x04034b50;) {
    const size = bytes.readUInt32LE(at + 18)
    const nameBytes = bytes.readUInt16LE(at + 26)
    const offset = at + 30 + nameBytes
    members.push({ name: bytes.toString('utf8', at + 30, offset), offset, size })
    at = offset + size
  }
  return members
}

/** Script that was asked for by now, compressed as a server would. */
async function scriptOf(asked: ReadonlySet<string>): Promise<{ size: number; found: string }> {
  const files = await Promise.all([...asked].map((name) => readFile(join('dist/site', name))))
  const size = files.reduce((sum, bytes) => sum + gzipSync(bytes).length, 0)
  return { size, found: `${(size / 1e3).toFixed(1)} kB in ${asked.size} files` }
}

/** fettle/browser itself: a folder goes to the origin's private file system and comes back after a reload. */
async function keepsInOrigin(page: Page): Promise<void> {
  await page.route('**/browser/*.js', async (route) => {
    const path = join('dist', new URL(route.request().url()).pathname)
    await route.fulfill({ path, contentType: 'text/javascript' })
  })
  await page.evaluate(`import('/browser/index.js').then(async ({ putFiles, saveToOrigin }) => {
    await putFiles('/kept', { 'a.txt': 'first', 'in/b.bin': Uint8Array.of(0, 1, 255) })
    await saveToOrigin('/kept', 'kept')
  })`)
  await page.reload()
  const back = await page.evaluate(`import('/browser/index.js').then(async ({ getFiles, loadFromOrigin }) => {
    await loadFromOrigin('kept', '/back')
    return JSON.stringify(Object.entries(getFiles('/back')).map(([name, bytes]) => [name, [...bytes]]))
  })`)
  const expected = JSON.stringify([
    ['a.txt', [...Buffer.from('first')]],
    ['in/b.bin', [0, 1, 255]],
  ])
  check("the origin's private file system", back === expected, String(back))
}

/** The page from a server that sends no headers of its own. */
async function withoutIsolation(page: Page): Promise<void> {
  await page.context().route('**/*', async (route) => {
    const response = await route.fetch()
    const kept = Object.entries(response.headers()).filter(([name]) => !name.startsWith('cross-origin'))
    await route.fulfill({ response, headers: Object.fromEntries(kept) })
  })
  await page.goto(address)
  await saying(page, '#machine', /on 1 thread/)
  check('without headers', true, await page.innerText('#machine'))
  await page.fill('#steps', '3')
  await page.click('#start')
  await saying(page, '#progress', /^Done/, 120_000)
  check('trains on one thread', true, await page.innerText('#progress'))
}
