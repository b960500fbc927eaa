import { z } from 'zod'
import { FettleError } from '../../error.ts'
import { expectedBy } from '../../schema-issue.ts'

/** A whole number from 1; absent or null: `fallback`. */
export const count = (fallback: number) => or(z.int().positive(), fallback)
export const number = (fallback: number) => or(z.number(), fallback)
export const flag = (fallback: boolean) => or(z.boolean(), fallback)

const or = <T extends z.ZodType>(schema: T, fallback: z.output<T>) =>
  schema.nullish().transform((value) => value ?? fallback)

/** A whole number or null; absent: `fallback`. */
export const optionalCount = (fallback: number | null) => z.int().nonnegative().nullable().default(fallback)

/** Keys that config.json of every model has, with the ids of the class that writes it, where it has some. */
export const commonKeys = (bos: number | null, eos: number | null) => ({
  bos_token_id: optionalCount(bos),
  eos_token_id: z
    .union([z.int(), z.array(z.int())])
    .nullable()
    .default(eos),
})

export type CommonConfig = z.output<z.ZodObject<ReturnType<typeof commonKeys>>>

/** @throws FettleError that lists every key with a value that it cannot have */
export function readKeys<T>(schema: z.ZodType<T>, raw: Record<string, unknown>, place: string): T {
  const { success, data, error } = schema.safeParse(raw)
  if (success) return data
  throw new FettleError(
    error.issues.map((issue) => ({
      place,
      found: `${issue.path.join('.')}: ${JSON.stringify(valueAt(raw, issue.path))?.slice(0, 200) ?? 'nothing'}`,
      expected: expectedBy(issue),
    })),
  )
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    raw,
  )
}
