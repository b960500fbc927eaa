// fettle in a page or its worker: files in the page's memory (files), archives to download (zip), and what stands in for Node's
// modules when everything is bundled for a page (node/, which scripts/for-pages.mjs puts in their place).
export { getFiles, loadFromOrigin, putFiles, removeFiles, saveToOrigin } from './files.ts'
export type { FileSource } from './files.ts'
export { putModel } from './put-model.ts'
export { zipOf } from './zip.ts'
