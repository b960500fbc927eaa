/** A JSON object of which nothing is known yet. */
export type JsonObject = Record<string, unknown>

/** Whether a value is an object, not null and not a list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** As Python's json.dump(indent=2, ensure_ascii=False) writes it, with a newline at the end. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
