/**
 * `fettle/browser`: everything that trains, generates and examines, in a page or its worker, on the WebAssembly engine. Paths
 * name files in the page's memory: `putFiles` puts them there, `getFiles` gets what a run wrote.
 *
 * @module
 */
import './browser/node/globals.ts'

export {
  getFiles,
  loadFromOrigin,
  putFiles,
  putModel,
  removeFiles,
  saveToOrigin,
  zipOf,
} from './browser/index.ts'
export type { FileSource } from './browser/index.ts'
export { setWasmSource, threadsProblem } from './engine/wasm/index.ts'
export * from './chat-entry.ts'
export { AutoTokenizer } from './tokenizer/index.ts'
export { createDataReport, inspect } from './data/index.ts'
export type { InspectedExample } from './data/index.ts'
export { AutoModelForCausalLM } from './model/index.ts'
export { trainSft } from './train/index.ts'
export type { TrainEvent, TrainSftInput } from './train/index.ts'
export { diagnose } from './doctor/index.ts'
