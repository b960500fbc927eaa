import { expect } from 'vitest'
import { render } from './render.ts'

/** Expects a template to be refused for something that is left out, with the place and what to write instead. */
export function expectLeftOut(source: string, variables: Record<string, unknown> = {}, says = /./): void {
  const refused = (): string => render(source, variables)
  expect(refused).toThrow(/^chat template:\d+:\d+: an? |^chat template:\d+:\d+: /)
  expect(refused).toThrow(/which fettle's Jinja leaves out\. [A-Z].*\.$/)
  expect(refused).toThrow(says)
}
