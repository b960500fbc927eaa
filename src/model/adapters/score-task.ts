import { FettleError } from '../../error.ts'
import type { LoraConfig } from '../../peft/index.ts'
import { addScoreHead } from '../score-head.ts'
import type { ModelState } from '../state/model-state.ts'

/**
 * Makes model and adapter one of a task: an adapter of SEQ_CLS trains the head of a reward model whole, as PEFT decides, and a language
 * model gets one for it.
 *
 * @param seed   of a new head
 * @param place  what stands before the names of fields, for errors
 * @returns      the configuration, with that head among `modulesToSave`
 * @throws FettleError where a language model's adapter meets a reward model, and as `addScoreHead` does
 */
export async function checkTask(
  state: ModelState,
  config: LoraConfig,
  seed: number,
  place: string,
): Promise<LoraConfig> {
  if (config.taskType === 'CAUSAL_LM') {
    if (!state.architecture.isScored) return config
    throw new FettleError({
      place: `${place}task_type`,
      found: 'CAUSAL_LM, for a reward model',
      expected: 'SEQ_CLS',
    })
  }
  await addScoreHead(state, seed)
  const { modulesToSave = [] } = config
  return modulesToSave.includes('score') ? config : { ...config, modulesToSave: [...modulesToSave, 'score'] }
}
