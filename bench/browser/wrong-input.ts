import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import type { Check } from './check.ts'
import { saying } from './keyboard.ts'

const model = 'assets/tiny-llama'
const names = [
  'config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
]
const conversation = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n'

const folder = mkdtempSync(join(tmpdir(), 'fettle-page-'))
let made = 0

/** A file of that name, in a folder of its own. */
function file(name: string, content: string | Buffer): string {
  made += 1
  const path = join(folder, String(made), name)
  mkdirSync(join(folder, String(made)))
  writeFileSync(path, content)
  return path
}

/** The demo's model with other contents of one of its files; null leaves it out. */
function changed(name: string, change: ((bytes: Buffer) => string | Buffer) | null): string[] {
  return names.flatMap((each) => {
    if (each !== name) return [join(model, each)]
    return change === null ? [] : [file(name, change(readFileSync(join(model, name))))]
  })
}

/** A file that only says that it is so large. */
function hollow(name: string, sizeBytes: number): string {
  const path = file(name, '')
  truncateSync(path, sizeBytes)
  return path
}

interface Case {
  name: string
  model?: string[]
  data?: string[]
  /** What the page says of it. */
  says: RegExp
}

/** Everything that somebody may choose by mistake, and what the page says. */
function cases(): Case[] {
  const first = [conversation, '{"messages":1}\n'].join('')
  return [
    {
      name: 'a picture as data',
      data: [file('rows.jsonl', Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10]))],
      says: /UTF-8|JSON/,
    },
    { name: 'an empty file', data: [file('rows.jsonl', '')], says: /no rows/ },
    {
      name: 'rows without a conversation',
      data: [file('rows.jsonl', '{"a":1}\n')],
      says: /rows\.jsonl.*(messages|format)/,
    },
    {
      name: 'a row that cannot be used',
      data: [file('rows.jsonl', first)],
      says: /1 conversation\. 1 row cannot be used.*:2/,
    },
    {
      name: 'gzip that breaks off',
      data: [file('rows.jsonl.gz', gzipSync(conversation.repeat(99)).subarray(0, 40))],
      says: /break off/,
    },
    {
      name: 'a table',
      data: [file('rows.csv', 'prompt,completion\n"a, ""b""",c\nd,e\n')],
      says: / 2 conversations\./,
    },
    { name: 'a table without known columns', data: [file('rows.csv', 'x,y\n1,2\n')], says: /rows\.csv/ },
    {
      name: 'preferences',
      data: [file('rows.jsonl', '{"prompt":"a","chosen":"b","rejected":"c"}\n')],
      says: /chosen/,
    },
    { name: 'no config.json', model: changed('config.json', null), says: /no config\.json/ },
    { name: 'no weights', model: changed('model.safetensors', null), says: /no weights.*model\.safetensors/ },
    { name: 'no tokenizer', model: changed('tokenizer.json', null), says: /no tokenizer\.json/ },
    {
      name: 'a tokenizer that breaks off',
      model: changed('tokenizer.json', (bytes) => bytes.subarray(0, 5000)),
      says: /tokenizer\.json: .*JSON/,
    },
    {
      name: 'a damaged template',
      model: changed('chat_template.jinja', () => '{% for m in'),
      says: /a tag without its end/,
    },
    {
      name: 'weights that break off',
      model: changed('model.safetensors', (bytes) => bytes.subarray(0, 99_999)),
      says: /model\.safetensors/,
    },
    {
      name: 'a family that is not there',
      model: changed('config.json', (bytes) => String(bytes).replace('"llama"', '"lama"')),
      says: /lama/,
    },
    {
      name: '5 GiB of weights',
      model: [...changed('model.safetensors', null), hollow('model.safetensors', 5 * 2 ** 30)],
      says: /5\.0 GiB/,
    },
    {
      name: 'the wrong files for both',
      model: [file('notes.txt', 'x')],
      data: [file('notes.txt', 'x')],
      says: /notes\.txt|tokenizer\.json/,
    },
  ]
}

/** Chooses each by mistake; then the page works as before. */
export async function wrongInput(check: Check, page: Page): Promise<void> {
  for (const { name, model: files = [], data = [], says } of cases()) {
    await page.setInputFiles('#model-files', files)
    await page.setInputFiles('#data-files', data)
    await reopen(check, page, name, says)
  }
  rmSync(folder, { recursive: true })
  await page.setInputFiles('#model-files', [])
  await page.setInputFiles('#data-files', [])
  await addresses(check, page)
  await page.fill('#model-address', '')
  await page.fill('#data-address', '')
  await reopen(check, page, 'and the demo again', / 400 conversations\./)
}

async function reopen(check: Check, page: Page, name: string, says: RegExp): Promise<void> {
  await page.click('#open-button')
  await page.locator('#open-button[aria-disabled=false]').waitFor()
  const found = await page.innerText('#opened')
  check(name, says.test(found), found.replaceAll('\n', ' | '))
}

/** A server of another origin that lets pages read, and one that does not. */
async function addresses(check: Check, page: Page): Promise<void> {
  const serve = async (headers: Record<string, string>) => {
    const server = createServer((request, response) => {
      const name = (request.url ?? '').split('/').at(-1) ?? ''
      const bytes =
        name === 'rows.jsonl'
          ? conversation
          : names.includes(name)
            ? readFileSync(join(model, name))
            : undefined
      response.writeHead(bytes === undefined ? 404 : 200, headers).end(bytes)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }
  const open = await serve({ 'Access-Control-Allow-Origin': '*' })
  const shut = await serve({})
  await page.fill('#model-address', `${open.address}/models/tiny`)
  await page.fill('#data-address', `${open.address}/rows.jsonl`)
  await reopen(check, page, 'model and data of addresses', /2\.7 million parameters, 1 conversation\./)
  await page.fill('#data-address', `${open.address}/none.jsonl`)
  await reopen(check, page, 'an address without a file', /none\.jsonl: the answer 404/)
  await page.fill('#data-address', `${shut.address}/rows.jsonl`)
  await reopen(check, page, 'a server that lets no page read', /no answer.*CORS/)
  for (const { server } of [open, shut]) {
    server.closeAllConnections()
    server.close()
  }
}

/** A browser without 128-bit vectors. */
export async function withoutVectors(check: Check, page: Page, address: string): Promise<void> {
  await page.context().route('**/worker.js', async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, body: `WebAssembly.validate = () => false;${await response.text()}` })
  })
  await page.goto(address)
  const said = await saying(page, '#opened', /128-bit/)
  check('without 128-bit vectors', true, said)
  await page.context().unroute('**/worker.js')
}
