import { z } from 'zod'
import { FettleError } from '../../error.ts'

/** A whole number from 1; absent or null: `fallback`. */
export const count = (fallback: number) =>
  z
    .int('a whole number')
    .positive('a number from 1')
    .nullish()
    .transform((value) => value ?? fallback)

/** A whole number from 1, or null; absent: `fallback`. */
export const optionalCount = (fallback: number | null) =>
  z.int('a whole number').nonnegative('a number from 0').nullable().default(fallback)

export const number = (fallback: number) =>
  z
    .number('a number')
    .nullish()
    .transform((value) => value ?? fallback)

export const flag = (fallback: boolean) =>
  z
    .boolean('true or false')
    .nullish()
    .transform((value) => value ?? fallback)

const tokenId = z.int('the id of a token')

/**
 * Keys that config.json of every model has.
 *
 * @param bos  ids of the class that writes the file, where it has some
 */
export const commonKeys = (bos: number | null, eos: number | null) => ({
  bos_token_id: tokenId.nullable().default(bos),
  eos_token_id: z
    .union([tokenId, z.array(tokenId)], 'the id of a token, or a list of ids')
    .nullable()
    .default(eos),
})

export type CommonConfig = z.output<z.ZodObject<ReturnType<typeof commonKeys>>>

/** @throws FettleError that lists every key with a value that it cannot have */
export function readKeys<T>(schema: z.ZodType<T>, raw: Record<string, unknown>, place: string): T {
  const { success, data, error } = schema.safeParse(raw)
  if (success) return data
  throw new FettleError(
    error.issues.map(({ path, message }) => ({
      place,
      found: `${path.join('.')}: ${JSON.stringify(valueAt(raw, path))?.slice(0, 200) ?? 'nothing'}`,
      expected: message,
    })),
  )
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    raw,
  )
}
