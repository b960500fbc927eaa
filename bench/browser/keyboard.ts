import type { Page } from 'playwright-core'

/** More than the page has to stop at. */
const mostStops = 60

/** Goes to something as somebody without a mouse does: from where the focus is, by the tab key alone. */
export async function tabTo(page: Page, id: string): Promise<void> {
  for (let stop = 0; stop < mostStops; stop += 1) {
    if ((await focused(page)) === id) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`the tab key does not come to #${id}`)
}

/** The id of what has the focus. */
export function focused(page: Page): Promise<string> {
  return page.evaluate('document.activeElement?.id ?? ""')
}

export async function pressOn(page: Page, id: string, key = 'Enter'): Promise<void> {
  await tabTo(page, id)
  await page.keyboard.press(key)
}

export async function typeInto(page: Page, id: string, text: string): Promise<void> {
  await tabTo(page, id)
  await page.keyboard.press('ControlOrMeta+A')
  await page.keyboard.type(text)
}

/** Opens the browser's own window for files by the keyboard, and chooses there. */
export async function choose(page: Page, id: string, files: string[]): Promise<void> {
  const chooser = page.waitForEvent('filechooser')
  await pressOn(page, id)
  await (await chooser).setFiles(files)
}

export async function saying(page: Page, place: string, expected: RegExp, timeout = 60_000): Promise<string> {
  const found = page.locator(place).filter({ hasText: expected })
  await found.waitFor({ timeout }).catch(async () => {
    throw new Error(`${place} says ${await page.innerText(place)}; expected ${expected.source}`)
  })
  return found.innerText()
}
