import { expect } from 'vitest'
import { compareCase, type FuzzCase } from '../../bench/jinja-fuzz/compare.ts'

/** A template and what Python made of it. */
export type GoldenCase = FuzzCase

/** Expects fettle to render a template as Python does, or to reject it with a place where Python rejects it. */
export function expectAsPython(golden: GoldenCase, variables: Record<string, unknown>): void {
  expect(compareCase(golden, variables).difference).toBeUndefined()
}
