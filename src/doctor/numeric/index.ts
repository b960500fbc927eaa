// Tests of the arithmetic on the user's own model and processor, each a difference that must be (nearly) zero:
// one batch against accumulated ones, packed against separate, left against right padding, merged against live.
// Whatever engine, model and adapter: who passes these trains what was asked for.
export { numericSelfTests, type NumericResult } from './self-tests.ts'
