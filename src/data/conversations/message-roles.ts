import { FettleError } from '../../error.ts'
import { describeValue } from '../../formats/json/index.ts'
import { formatOrigin, type Row } from '../row.ts'
import type { RowOptions } from '../row-options.ts'

/** Roles that chat templates know. */
const knownRoles: ReadonlySet<string> = new Set(['system', 'developer', 'user', 'assistant', 'tool'])

/** What ShareGPT and its relatives call them. */
const shareGptRoles: ReadonlyMap<string, string> = new Map([
  ['human', 'user'],
  ['gpt', 'assistant'],
  ['chatgpt', 'assistant'],
  ['bing', 'assistant'],
  ['bard', 'assistant'],
  ['observation', 'tool'],
  ['function_response', 'tool'],
])

/** What tools answer in, whoever made the file: OpenAI's first functions, ms-swift. */
const toolRoles: ReadonlySet<string> = new Set(['function', 'tool_response'])

/** A message from one of these is a call of the assistant, as JSON text. */
const callRoles: ReadonlySet<string> = new Set(['function_call', 'tool_call'])

/** Names that hardly mean anything else; what is not here gets no advice, because wrong advice trains on wrong text. */
const likelyRoles: readonly (readonly [RegExp, string])[] = [
  [/tool|function|observation|ipython|environment/i, 'tool'],
  [/\b(?:assistant|gpt|chatgpt|bing|bard|bot|chatbot|model|ai)\b/i, 'assistant'],
  [/^(?:user|human|customer)$/i, 'user'],
  [/^(?:system|sys)$/i, 'system'],
  [/^developer$/i, 'developer'],
]

/** Whether chat templates know a role by this name. */
export function isTemplateRole(role: unknown): role is string {
  return typeof role === 'string' && knownRoles.has(role)
}

/** Whether a role marks a call of the assistant. A role that was mapped is what it was mapped to. */
export function isCallRole(role: unknown, { roles }: RowOptions): boolean {
  return typeof role === 'string' && callRoles.has(role) && roles?.[role] === undefined
}

/**
 * The role that a template knows for the one in the file.
 *
 * @param key     under which it stands: `from` has ShareGPT's names
 * @param others  the roles of the row, so that all that are unknown are named at once
 */
export function readRole(
  row: Row,
  place: string,
  value: unknown,
  { key, others, options }: { key: string; others: () => readonly unknown[]; options: RowOptions },
): string {
  if (typeof value !== 'string')
    throw new FettleError({
      place,
      found: `${key} is ${describeValue(value)}`,
      expected: 'the name of a role',
    })
  const known = knownRole(value, key, options)
  if (known !== undefined) return known
  const unknown = [...new Set([value, ...others()])].filter(
    (other): other is string =>
      typeof other === 'string' &&
      !isCallRole(other, options) &&
      knownRole(other, key, options) === undefined,
  )
  const likely = unknown.map((role) => [role, likelyRoles.find(([names]) => names.test(role))?.[1]] as const)
  const pairs = likely.map(([role, meant]) => `${/^\w+$/.test(role) ? role : JSON.stringify(role)}: ${meant}`)
  const isSure = likely.every(([, meant]) => meant !== undefined) && unknown.length <= 8
  const names = unknown.slice(0, 8).map((role) => `'${role.slice(0, 60)}'`)
  throw new FettleError({
    // The row is what a user looks for; the message is easily found by its role.
    place: formatOrigin(row.origin),
    found: `role${names.length === 1 ? '' : 's'} ${names.join(', ')}`,
    expected: 'system, user, assistant or tool',
    cure: isSure
      ? `Map ${names.length === 1 ? 'it' : 'them'} with roles: { ${pairs.join(', ')} }.`
      : 'Say which of these each is with `roles` (docs/data.md).',
  })
}

function knownRole(value: string, key: string, { roles }: RowOptions): string | undefined {
  const mapped = roles?.[value]
  if (mapped !== undefined) return mapped
  if (toolRoles.has(value)) return 'tool'
  const role = key === 'from' ? (shareGptRoles.get(value) ?? value) : value
  return knownRoles.has(role) ? role : undefined
}
