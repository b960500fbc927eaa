// What watches a run: the best evaluation, early stopping, a plateau, spikes. Its state is small, and a checkpoint holds it.
// It decides by numbers of events only, so that a resumed run decides the same.
export { createMonitor, type Monitor } from './monitor.ts'
export { monitorStateSchema } from './monitor-state.ts'
