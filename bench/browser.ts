// The page of site/ in a browser, as somebody uses it: see bench/README.md.
import { spawn } from 'node:child_process'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { chromium, firefox, type BrowserContext, type Page } from 'playwright-core'
import { check } from './browser/check.ts'
import { expectFile } from './browser/expect-file.ts'
import { choose, focused, pressOn, saying, tabTo, typeInto } from './browser/keyboard.ts'
import { oddUse } from './browser/odd-use.ts'
import { sameAsInNode } from './browser/same-as-node.ts'
import { inWebKit } from './browser/webkit.ts'
import { withoutVectors, wrongInput } from './browser/wrong-input.ts'

const { values } = parseArgs({
  options: {
    browser: { type: 'string', default: 'chromium' },
    out: { type: 'string', default: 'runs/browser' },
    steps: { type: 'string', default: '120' },
  },
})
const { steps } = values
const isFirefox = values.browser === 'firefox'
const out = resolve(values.out)
const downloads = join(out, 'downloads')
await rm(out, { recursive: true, force: true })
await mkdir(downloads, { recursive: true })

const server = spawn(process.execPath, ['dist/cli.mjs', 'site', '--port', '0', '--json'])
const address = await new Promise<string>((done, fail) => {
  server.stdout.once('data', (line: Buffer) => done((JSON.parse(String(line)) as { url: string }).url))
  server.once('exit', () => fail(new Error('fettle site ends')))
})
try {
  if (values.browser === 'webkit') await inWebKit(check, address, out, downloads, steps)
  else await inPlaywright()
} finally {
  server.kill('SIGINT')
}

async function inPlaywright(): Promise<void> {
  const browser = isFirefox
    ? await firefox.launch({
        channel: 'moz-firefox',
        executablePath: '/usr/bin/firefox-esr',
        downloadsPath: downloads,
        // Its panel of downloads would take the focus.
        firefoxUserPrefs: { 'browser.download.alwaysOpenPanel': false },
      })
    : await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  console.log(`${values.browser} ${browser.version()}`)
  // Firefox is not asked for colours and motion: it does not know how by this protocol.
  const media = { colorScheme: null, reducedMotion: null, forcedColors: null, contrast: null }
  const context = await browser.newContext({
    viewport: { width: 800, height: 900 },
    acceptDownloads: true,
    ...(isFirefox && media),
  })
  await everything(context).finally(() => browser.close())
}

async function everything(context: BrowserContext): Promise<void> {
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
  check('opens the demo', true, await saying(page, '#opened', /conversations/))
  const machine = await page.innerText('#machine')
  check('threads', /on \d+ threads/.test(machine), machine)
  check('shows the mask', (await page.locator('#mask .learned').count()) > 3, await page.innerText('#place'))
  await axe(page, 'light, at the beginning')
  await trainByKeyboard(page)
  await examineByKeyboard(page)
  const { size, found } = await scriptOf(scripts)
  check('less than 300 kB of script, everything opened', scripts.has('worker.js') && size < 300e3, found)
  await axe(page, 'light, at the end')
  if (!isFirefox) {
    await page.emulateMedia({ colorScheme: 'dark' })
    await axe(page, 'dark')
    await page.screenshot({ path: join(out, 'dark.png') })
  }
  // 320 pixels are 1280 at 400 %: https://www.w3.org/TR/WCAG22/#reflow
  for (const width of [320, 360]) {
    await page.setViewportSize({ width, height: 740 })
    const wide = await page.evaluate('document.documentElement.scrollWidth')
    check(`${width} px`, Number(wide) <= width, `${String(wide)} px wide`)
  }
  await page.screenshot({ path: join(out, 'narrow.png') })
  check('nothing from elsewhere', elsewhere.length === 0, elsewhere.join(' ') || 'nothing')
  await wrongInput(check, page)
  await oddUse(check, page, address)
  await withoutVectors(check, page, address)
  await keepsInOrigin(page)
  await withoutIsolation(page)
}

/** From the top of the page to the adapter, by the tab key, Enter and what is typed. */
async function trainByKeyboard(page: Page): Promise<void> {
  await pressOn(page, 'next')
  await saying(page, '#place', /^2 of/)
  check('the focus stays where it was', (await focused(page)) === 'next', await page.innerText('#place'))
  await typeInto(page, 'steps', '9999')
  await pressOn(page, 'start')
  await saying(page, '#progress', /^Step/)
  await pressOn(page, 'stop')
  const stopped = await saying(page, '#progress', /^(Done|Stopped)/)
  check('stops', stopped.startsWith('Stopped'), stopped)
  await back(page, 'steps')
  await typeInto(page, 'steps', steps)
  const began = performance.now()
  await page.keyboard.press('Enter')
  const progress = await saying(page, '#progress', /^Done/, 300_000)
  const seconds = (performance.now() - began) / 1000
  check('a loss below 0.2', Number(/loss ([\d.]+)\.$/.exec(progress)?.[1]) < 0.2, progress)
  check('in less than 60 s', seconds < 60, `${seconds.toFixed(1)} s`)
  await tabTo(page, 'question')
  await page.keyboard.press('Enter')
  await page.waitForSelector('#answers dd')
  await saying(page, '#answers', /After/)
  check('answers', true, (await page.innerText('#answers')).replaceAll('\n', ' | '))
  await page.screenshot({
    path: join(out, 'page.png'),
    fullPage: true,
    clip: { x: 0, y: 0, width: 800, height: 1800 },
  })
  const zip = await downloaded(page, 'adapter.zip')
  await sameAsInNode(check, out, {
    zip,
    steps,
    question: await page.inputValue('#question'),
    answer: await page.locator('#answers dd').last().innerText(),
    machine: await page.innerText('#machine'),
  })
}

/** Presses the button for the download; the path of what came. */
async function downloaded(page: Page, name: string): Promise<string> {
  // Firefox tells playwright-core of a download without the id that it wants: the file itself tells.
  if (isFirefox) {
    await pressOn(page, 'download')
    const path = join(downloads, name)
    await expectFile(path)
    return path
  }
  const downloading = page.waitForEvent('download')
  await pressOn(page, 'download')
  const path = join(out, name)
  await (await downloading).saveAs(path)
  return path
}

async function back(page: Page, id: string): Promise<void> {
  for (let stop = 0; stop < 20 && (await focused(page)) !== id; stop += 1)
    await page.keyboard.press('Shift+Tab')
}

async function examineByKeyboard(page: Page): Promise<void> {
  const names = ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', 'config.json']
  await choose(
    page,
    'examined-files',
    names.map((name) => resolve('assets/tiny-llama', name)),
  )
  await choose(page, 'examined-data', [resolve('assets/demo-eval.jsonl')])
  await pressOn(page, 'examine')
  const said = await saying(page, '#examined', /look at|Nothing/)
  check('examines', (await page.locator('#examples .learned').count()) > 10, said)
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
  const kept = await page.evaluate(`import('/browser/index.js').then(async ({ getFiles, loadFromOrigin }) => {
    await loadFromOrigin('kept', '/back')
    return JSON.stringify(Object.entries(getFiles('/back')).map(([name, bytes]) => [name, [...bytes]]))
  })`)
  const expected = JSON.stringify([
    ['a.txt', [...Buffer.from('first')]],
    ['in/b.bin', [0, 1, 255]],
  ])
  check("the origin's private file system", kept === expected, String(kept))
}

/** The page from a server that sends no headers of its own. */
async function withoutIsolation(page: Page): Promise<void> {
  await page.context().route('**/*', async (route) => {
    const response = await route.fetch()
    const kept = Object.entries(response.headers()).filter(([name]) => !name.startsWith('cross-origin'))
    await route.fulfill({ response, headers: Object.fromEntries(kept) })
  })
  await page.goto(address)
  check('without headers', true, await saying(page, '#machine', /on 1 thread/))
  await saying(page, '#opened', /conversations/)
  await typeInto(page, 'steps', '3')
  await page.click('#start')
  check('trains on one thread', true, await saying(page, '#progress', /^Done/, 120_000))
}
