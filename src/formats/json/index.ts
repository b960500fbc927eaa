/**
 * JSON without loss: integers of any size, 1 and 1.0 apart, keys in their order. Pure: pages and workers use it, too.
 * What reads files of many values, in whatever layout, is in `formats/` itself.
 */
export { describeValue, isJsonObject, type JsonObject } from './kinds.ts'
export { parseJson, type Position } from './parse.ts'
export { JsonFloat, keyOrder, keysOf, numberOf } from './values.ts'
