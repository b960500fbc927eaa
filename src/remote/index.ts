// A prepared run on other engines than fettle's own: PyTorch here, under torchrun, on a Ray cluster, on Hugging Face's machines.
// hand-off/ writes it in a form that python/fettle_runner reads; torch/, ray/ and hf-jobs/ start that and read its events.
// Nothing here prints: what happens is the same stream of events as of a run of this engine.
export { handOffJsonSchema } from './hand-off/schema.ts'
export { writeHandOff, type HandOff } from './hand-off/write-hand-off.ts'
export { attach, cancel, openTarget, type OpenedTarget } from './open-target.ts'
export { commandFor, schedulers } from './print-command.ts'
