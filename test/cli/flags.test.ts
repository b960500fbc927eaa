import { expect, test } from 'vitest'
import { readArguments } from '../../src/cli/flags/flags.ts'

const flags = {
  format: { type: 'string', required: true, options: ['gguf', 'onnx'], description: 'Form' },
  count: { type: 'number', required: true, description: 'How many' },
} as const

test.each([
  [[], ['--format: not given; expected gguf or onnx', '--count: not given; expected a number']],
  [['--format', 'ggf', '--count', '1'], ["--format: 'ggf'; expected gguf or onnx"]],
  [['--format=gguf', '--count', 'x'], ["--count: 'x'; expected a number"]],
  [['--count', '2', '--format'], ['--format: no value; expected gguf or onnx']],
])('%j: each flag is told of once', (given, problems) => {
  expect(() => readArguments(given, flags)).toThrow(
    expect.objectContaining({ message: problems.map((problem) => `${problem}.`).join('\n') }),
  )
})
