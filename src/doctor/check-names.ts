/** Every check, in the order in which diagnoses of equal severity are listed. */
export const checkNames = [
  'readable',
  'template-missing',
  'stop-token-in-template',
  'stop-token-learned',
  'stop-token-in-generation-config',
  'stop-token-disagreement',
  'two-end-tokens',
  'pad-equals-eos',
  'pad-token-missing',
  'double-bos',
  'weights-not-finite',
  'embedding-size',
  'new-token-rows',
  'template-loses-messages',
  'span-borders',
  'nothing-to-learn',
  'truncation',
  'position-limit',
  'empty-answers',
  'duplicates',
  'text-encoding',
  'target-modules',
  'adapter-matches-base',
  'served-where',
  'hyperparameters',
  'dtype',
  'memory',
  'padding-side',
] as const

/** The name of a check. */
export type CheckName = (typeof checkNames)[number]
