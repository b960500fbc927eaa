import { adoptValue, compileTemplate, type Owner } from '../../src/jinja/index.ts'

const owner: Owner = { part: () => ({ ...owner }) }

/** What a template writes; of its variables only the messages have owners, as in a chat. */
export function render(source: string, variables: Record<string, unknown> = {}): string {
  return compileTemplate(source).render((name) => {
    if (!Object.hasOwn(variables, name)) return undefined
    return adoptValue(variables[name], name === 'messages' ? owner : undefined)
  }).text
}
