import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Check } from './check.ts'
import { expectFile } from './expect-file.ts'
import { sameAsInNode } from './same-as-node.ts'
import { startWebKit, type WebDriver } from './web-driver.ts'

/** The page in WebKitGTK, by the keyboard: trains, answers, gives the adapter. */
export async function inWebKit(
  check: Check,
  address: string,
  out: string,
  downloads: string,
  steps: string,
): Promise<void> {
  const browser = await startWebKit(downloads)
  try {
    console.log(`webkit ${browser.version}`)
    await browser.open(address)
    check('opens the demo', true, await saying(browser, 'opened', /conversations/))
    const machine = await textOf(browser, 'machine')
    // WebKitGTK does not isolate the page.
    check('threads', /on \d+ thread/.test(machine), machine)
    await tabTo(browser, 'steps')
    await browser.evaluate(`document.getElementById('steps').select()`)
    await browser.press(...steps)
    await tabTo(browser, 'start')
    const began = performance.now()
    await browser.press('Enter')
    const progress = await saying(browser, 'progress', /^Done/, 600)
    check('a loss below 0.2', Number(/loss ([\d.]+)\.$/.exec(progress)?.[1]) < 0.2, progress)
    console.log(`     ${((performance.now() - began) / 1000).toFixed(1)} s`)
    await tabTo(browser, 'question')
    await browser.press('Enter')
    check('answers', true, (await saying(browser, 'answers', /After/)).replaceAll('\n', ' | '))
    await tabTo(browser, 'download')
    await browser.press('Enter')
    await saying(browser, 'downloaded', /adapter\.zip/)
    const zip = join(downloads, 'adapter.zip')
    await expectFile(zip)
    await writeFile(join(out, 'webkit.png'), await browser.screenshot())
    await sameAsInNode(check, out, {
      zip,
      steps,
      question: await browser.evaluate(`document.getElementById('question').value`),
      answer: await browser.evaluate(`[...document.querySelectorAll('#answers dd')].at(-1).innerText`),
      machine,
    })
  } finally {
    await browser.end()
  }
}

function textOf(browser: WebDriver, id: string): Promise<string> {
  return browser.evaluate(`document.getElementById('${id}').innerText`)
}

async function saying(browser: WebDriver, id: string, expected: RegExp, seconds = 60): Promise<string> {
  for (let waited = 0; waited < seconds; waited += 1) {
    const text = await textOf(browser, id)
    if (expected.test(text)) return text
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
  throw new Error(`#${id} says ${await textOf(browser, id)}; expected ${expected.source}`)
}

async function tabTo(browser: WebDriver, id: string): Promise<void> {
  for (let stop = 0; stop < 60; stop += 1) {
    if ((await browser.evaluate<string>('document.activeElement?.id ?? ""')) === id) return
    await browser.press('Tab')
  }
  throw new Error(`the tab key does not come to #${id}`)
}
