import { z } from 'zod'

/** What a run remembers of its evaluations and losses; a checkpoint holds it, so that going on decides the same. */
export const monitorStateSchema = z.strictObject({
  /** The best evaluation so far, by metric_for_best_model. */
  best: z.strictObject({ step: z.int().min(0), value: z.number() }).nullable(),
  /** Evaluations since one was better by more than early_stopping_threshold. */
  without_gain: z.int().min(0),
  plateau: z.strictObject({
    best: z.number().nullable(),
    /** Evaluations since the best one. */
    bad: z.int().min(0),
    cooldown: z.int().min(0),
    /** What the learning rate was multiplied by so far. */
    factor: z.number().min(0),
  }),
  /** Losses and gradient norms of the last steps that were made, the oldest first. */
  recent: z.strictObject({ losses: z.array(z.number()), norms: z.array(z.number()) }),
  /** Steps whose update was left out, and how many of them the last ones were. */
  skipped: z.int().min(0),
  skipped_in_a_row: z.int().min(0),
})

export type MonitorState = z.output<typeof monitorStateSchema>

/** What a run knows before its first step. */
export function newMonitorState(): MonitorState {
  return {
    best: null,
    without_gain: 0,
    plateau: { best: null, bad: 0, cooldown: 0, factor: 1 },
    recent: { losses: [], norms: [] },
    skipped: 0,
    skipped_in_a_row: 0,
  }
}
