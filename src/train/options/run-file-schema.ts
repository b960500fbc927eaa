import { z } from 'zod'
import { snakeCase } from './option-keys.ts'
import { runOptionsSchema } from './options.ts'

/** JSON Schema of run files, with which editors complete and check them; `dist/run-file.schema.json` holds it, too. */
export function runFileJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(runOptionsSchema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (!(zodSchema instanceof z.ZodObject) || jsonSchema.properties === undefined) return
      // Rows that a program holds cannot stand in a file.
      const entries = Object.entries(jsonSchema.properties).filter(([name]) => name !== 'rows')
      jsonSchema.properties = Object.fromEntries(entries.map(([name, field]) => [snakeCase(name), field]))
      jsonSchema.required = jsonSchema.required?.map(snakeCase)
      if (jsonSchema.required === undefined) delete jsonSchema.required
    },
  })
  return { ...schema, title: 'fettle run file' }
}
