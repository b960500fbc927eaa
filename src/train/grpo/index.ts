// Learning from rewards: prompts are completed, functions say how good the completions are, and the better ones are learned.
// The loss is an objective like others (objectives/grpo.ts); this room makes its batches as the run goes.
export type { RewardContext, RewardFunction } from './rewards.ts'
export { encodePrompts, type EncodedPrompt } from './prompt-set.ts'
export type { RolloutFunction } from './rollouts.ts'
export { trainGrpo, type TrainGrpoInput } from './train-grpo.ts'
