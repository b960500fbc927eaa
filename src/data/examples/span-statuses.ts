import type { SpanStatus } from '../../chat/index.ts'

/** The statuses of spans by the number that stands for each in arrays and files: the order never changes. */
export const statusNames = [
  'marked',
  'proved',
  'aligned',
  'inferred',
  'dropped',
  'no-stop',
] as const satisfies SpanStatus[]
