// The data of a run as tokens: made once, kept in a cache under a key of all that decides them, found there the next time.
// Progress is told as events; what is kept is whole and checked, or it is made again.
export { prepareEvaluation } from './prepare-evaluation.ts'
export { createPreparation, type PreparationInput, type PreparedSources } from './prepare-set.ts'
export { eventsOf } from './events-of.ts'
export type { PreparedSet } from './prepared-cache.ts'
export { reportSummary } from './report-summary.ts'
export { refuseUnknownTokens } from './refuse-unknown-tokens.ts'
