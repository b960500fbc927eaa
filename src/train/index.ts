// Supervised fine-tuning: options, schedule, loop, evaluation, checkpoints.
// trainSft yields events and prints nothing; the command line, the studio and logs read the same stream.
// The arithmetic is in model/ and engine/, the order of the data in batch/.
export type { CheckpointEvent, EndEvent, EvalEvent, StartEvent, StepEvent, TrainEvent } from './events.ts'
export { applyRunTemplate } from './run-template.ts'
export { passSize, splitBatch } from './chunks.ts'
export { trainSft } from './train-sft.ts'
export type { TrainSftInput } from './train-sft.ts'
