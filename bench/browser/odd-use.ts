import { join } from 'node:path'
import type { Page } from 'playwright-core'
import type { Check } from './check.ts'
import { saying, typeInto } from './keyboard.ts'

/** What somebody does who does not know how the page is meant. */
export async function oddUse(check: Check, page: Page, address: string): Promise<void> {
  await asksTooMuch(check, page)
  await examinesWithoutTemplate(check, page)
  await hurries(check, page)
  await losesPart(check, page, address)
}

async function asksTooMuch(check: Check, page: Page): Promise<void> {
  await page.fill('#question', 'x'.repeat(2000))
  await page.click('#ask')
  check('a question beyond the model', true, await saying(page, '#asked', /at most 452/))
  await page.fill('#question', 'Who repairs shoes?')
  await page.click('#ask')
  const said = await saying(page, '#answers', /It says/)
  check('nothing is wrong with the next', (await page.locator('.wrong').count()) === 0, said.slice(0, 40))
}

async function examinesWithoutTemplate(check: Check, page: Page): Promise<void> {
  const names = ['tokenizer.json', 'tokenizer_config.json']
  await page.setInputFiles(
    '#examined-files',
    names.map((name) => join('assets/tiny-llama', name)),
  )
  await page.setInputFiles('#examined-data', 'assets/demo-eval.jsonl')
  await page.click('#examine')
  await saying(page, '#examined', /look at/)
  const found = await page.innerText('#diagnoses')
  check('a tokenizer without a template', /chat_template/.test(found), found.slice(0, 200))
}

/** Presses what cannot be used now, and goes on in the page while it trains. */
async function hurries(check: Check, page: Page): Promise<void> {
  const asksBeforeLeaving = () =>
    page.evaluate('!dispatchEvent(new Event("beforeunload", { cancelable: true }))')
  check('leaves as it came', !(await asksBeforeLeaving()), 'nothing was trained')
  await typeInto(page, 'steps', '9999')
  await page.click('#start')
  for (const id of ['start', 'open-button', 'ask', 'download']) await page.click(`#${id}`, { force: true })
  await saying(page, '#progress', /^Step [3-9]/)
  check('asks before what it trains is lost', (await asksBeforeLeaving()) === true, 'while it trains')
  await page.click('#next')
  check('shows masks while it trains', true, await saying(page, '#place', /^2 of/))
  await page.click('#stop')
  const said = await saying(page, '#progress', /^Stopped/)
  check('one run, whatever is pressed', Number(/after (\d+)/.exec(said)?.[1]) >= 3, said)
  check('asks before what was trained is lost', (await asksBeforeLeaving()) === true, 'not downloaded')
}

/** The server is gone when the page asks for a part of itself. */
async function losesPart(check: Check, page: Page, address: string): Promise<void> {
  await page.route('**/computing.js', (route) => route.abort())
  await page.goto(address)
  check('a part that does not come', true, await saying(page, '#machine', /has ended/))
  check('and nothing waits for it', true, await saying(page, '#opened', /has ended/))
  await page.unroute('**/computing.js')
}
