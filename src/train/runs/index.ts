// A run on disk: its identity, its folder with a lock, and its checkpoints, each whole or not there, with a hash of each file.
// What decides the results of a run is written down; going on compares it, so that no run becomes another one unnoticed.
// Nothing here trains: training-run.ts says when something is saved.
export {
  keepNewest,
  lastCheckpointBefore,
  restoreCheckpoint,
  saveCheckpoint,
  saveModel,
  setAsDiverged,
} from './checkpoint.ts'
export type { ChosenCheckpoint } from './choose-checkpoint.ts'
export { latestFolder } from './default-folder.ts'
export { createDataHash } from './data-hash.ts'
export { identityOf, type RunIdentity } from './identity.ts'
export { readRunRecord, recordFile, type RunRecord } from './records.ts'
export { checkpointBytes } from './room.ts'
export { openRunFolder, type RunFolder } from './run-folder.ts'
export { findRunEvaluation, type RunEvaluation } from './run-rows.ts'
export { trainedStates } from './trained-states.ts'
