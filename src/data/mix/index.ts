// From the rows of several sources to one stream: mapped by a program's function, mixed by weight, without duplicates, shuffled,
// with those marked that are held out. Stages over asynchronous rows with a small state each.
export { readConversations, type ReadOptions } from './read-conversations.ts'
export { sourceReports, type MixOptions } from './read-mixed-rows.ts'
export { createHashSet, type HashSet } from './hash-set.ts'
export { stoppingStrategies } from './interleave.ts'
