import type { z } from 'zod'

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a block of options',
  record: 'names with values',
}

/** What an issue says would be right, in words. */
export function expectedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeNames[issue.expected] ?? issue.expected
    case 'invalid_value':
      return issue.values.map(String).join(' or ')
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return 'at least one'
      return `a number ${issue.inclusive ? 'from' : 'above'} ${issue.minimum}`
    case 'too_big':
      return `a number ${issue.inclusive ? 'up to' : 'below'} ${issue.maximum}`
    case 'invalid_union':
      // A list with many wrong items has an issue for each.
      return [...new Set(issue.errors.flatMap((errors) => errors.map(expectedBy)))].join(' or ')
    case 'invalid_key':
      return issue.issues.map(expectedBy).join(' or ')
    default:
      return issue.message
  }
}
