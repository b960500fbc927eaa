import { expect, test } from 'vitest'
import { createValueScanner } from '../../../src/formats/json/scanner.ts'

/** Brackets, texts and escapes in every order, as no writer would make them. */
const text = '[{"a":"}],[{"},{"a":"\\\\"},[1,2],"\\"",{"b":[",",{}]}] {"c":"\\\\\\"}"} [] {"d":{"e":[]}}'
const bytes = Buffer.from(text)

test('borders are the brackets outside of any other and the commas between', () => {
  const found = createValueScanner().push(bytes)
  const [first, ...others] = JSON.parse(
    `[${text.replaceAll('] {', '],{').replaceAll('} [', '},[').replaceAll('] {', '],{')}]`,
  ) as unknown[]
  const cuts = found.map((at) => text[at]).join('')
  expect(cuts).toBe('[,,,,]{}[]{}')
  expect((first as unknown[]).length).toBe(5)
  expect(others).toHaveLength(3)
})

test.each([1, 2, 3, 5, 7, 13])('pieces of %s bytes have the same borders', (size) => {
  const scanner = createValueScanner()
  const found: number[] = []
  for (let at = 0; at < bytes.length; at += size)
    found.push(...scanner.push(bytes.subarray(at, at + size)).map((border) => at + border))
  expect(found).toEqual(createValueScanner().push(bytes))
  expect(scanner.isOpen).toBe(false)
})
