export { isJsonObject, type JsonObject } from '../formats/foreign/index.ts'

/** As Python's json.dump(indent=2, ensure_ascii=False) writes it, with a newline at the end. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
