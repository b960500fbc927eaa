import { reasoningFields, type Message } from '../../chat/index.ts'

/**
 * A message as transformers' `apply_chat_template` hands it to the template: without the fields that are null, which
 * templates would print as `None`, and with its thinking under every name that a template may read.
 * Source: transformers 5.23, `apply_chat_template` and `_alias_reasoning_fields`.
 */
export function templateMessage(message: Message): Message {
  let hasNull = false
  for (const field in message) if (message[field] === null) hasNull = true
  const given = hasNull ? withoutNulls(message) : message
  const named = reasoningFields.find((field) => given[field] !== undefined)
  if (named === undefined) return given
  const reasoning = given[named]
  // gpt-oss's template reads `thinking`; the order of the keys is seen by templates that list them.
  return Object.assign({ thinking: reasoning }, given, { reasoning_content: reasoning })
}

function withoutNulls(message: Message): Message {
  const given: Message = { ...message }
  for (const field of Object.keys(given)) if (given[field] === null) delete given[field]
  return given
}
