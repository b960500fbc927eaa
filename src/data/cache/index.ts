// What was prepared once, kept on the disk under a key that is a hash of all that decides it.
// An entry is whole or not there; every part of it is checked before it is used; old entries go.
export { cacheEntry, type CacheEntry, type CachedStores, type EntryMaker } from './cache-entry.ts'
export { cacheFolder } from './cache-folder.ts'
export { fileContents, type FileContent } from './file-content.ts'
