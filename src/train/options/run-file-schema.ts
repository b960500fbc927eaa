import { z } from 'zod'
import { snakeCase } from './option-keys.ts'
import { runOptionsSchema } from './options.ts'

type JsonSchema = z.core.JSONSchema.BaseSchema

/**
 * JSON Schema of run files, with which editors complete and check them. The package has it as a file, too:
 * `fettle/run-file.schema.json`.
 */
export function runFileJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(runOptionsSchema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (!(zodSchema instanceof z.ZodObject) || jsonSchema.properties === undefined) return
      const { properties, required = [] } = jsonSchema
      // Rows that a program holds cannot stand in a file.
      const isSource = 'rows' in properties
      const entries = Object.entries(properties).filter(
        ([name]) => !isSource || !['rows', 'name', 'map'].includes(name),
      )
      jsonSchema.properties = Object.fromEntries(entries.map(([name, field]) => [snakeCase(name), field]))
      const needed = isSource ? ['path'] : required.map(snakeCase)
      if (needed.length > 0) jsonSchema.required = needed
      else delete jsonSchema.required
    },
  })
  const properties = { ...schema.properties }
  properties['data'] = orOneAlone(properties['data'])
  const evaluation = properties['eval_data']
  if (typeof evaluation === 'object') properties['eval_data'] = orOneAlone(evaluation)
  return { ...schema, properties, title: 'fettle run file' }
}

/** A list of one may stand without its brackets. */
function orOneAlone(list: z.core.JSONSchema._JSONSchema | undefined): JsonSchema {
  if (typeof list !== 'object') throw new Error('not a list')
  const { description, anyOf, ...plain } = list
  // Beside null the list is one of two.
  const forms = (anyOf ?? [plain]) as JsonSchema[]
  const items = forms.find((form) => form.items !== undefined)?.items
  if (typeof items !== 'object') throw new Error('not a list')
  return { ...(description !== undefined && { description }), anyOf: [items as JsonSchema, ...forms] }
}
