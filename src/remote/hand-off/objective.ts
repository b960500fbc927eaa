import { FettleError, type Problem } from '../../error.ts'
import { internalsOf } from '../../model/index.ts'
import { lossTypeOf, lossTypesOf, optimName, type TrainingTask } from '../../train/index.ts'
import { handedDpoLosses, type HandOffRecord } from './schema.ts'

type Options = TrainingTask['options']

/** How the loss follows from log-probabilities, as the runner computes it. */
export function objectiveOf(
  { method, lossType, beta = 0.1, labelSmoothing: label_smoothing }: Options,
  stopTokenIds: readonly number[],
): HandOffRecord['objective'] {
  if (method === 'dpo') {
    const [first] = lossTypesOf('dpo', lossType)
    const loss_type = handedDpoLosses.find((name) => name === first) ?? 'sigmoid'
    return { method, loss_type, beta, label_smoothing }
  }
  if (method === 'kto') return { method, loss_type: lossTypeOf('kto', lossType), beta }
  return { method: 'sft', stop_token_ids: [...stopTokenIds] }
}

/**
 * Refuses what PyTorch's side would leave out or compute otherwise.
 *
 * @throws FettleError that names each of it
 */
export function refuseUnhanded(task: Pick<TrainingTask, 'model' | 'options' | 'reference'>): void {
  const { model, options, reference } = task
  const here = 'Train here (without --on), or leave it out.'
  const no = (place: string, found: string, expected: string, cure = here): Problem => ({
    place,
    found,
    expected,
    cure,
  })
  const problems: Problem[] = []
  const { method } = options
  if (method !== 'sft' && method !== 'dpo' && method !== 'kto')
    problems.push(no('method', method, 'sft, dpo or kto on another engine'))
  if (model.adapterConfig === null)
    problems.push(
      no('lora', 'null', 'an adapter: whole models are not handed over', 'Set lora, such as lora.r: 64.'),
    )
  if (model.nameOrPath.endsWith('.gguf'))
    problems.push(
      no('model', model.nameOrPath, 'a Hugging Face folder: PyTorch reads no GGUF', 'Give that folder.'),
    )
  const init = model.adapterConfig?.initLoraWeights
  if (typeof init === 'string' && /^(pissa|olora|loftq)/.test(init))
    problems.push(no('lora.init_lora_weights', init, 'an adapter that leaves the base as it is'))
  if (optimName(options.optim) !== 'adamw')
    problems.push(no('optim', options.optim, 'adamw on another engine'))
  const internals = internalsOf(model)
  if (internals.balanceCoefficient > 0)
    problems.push(no('router_aux_loss_coef', 'a loss of unevenly used experts', 'a model without it'))
  if (model.activationQuantization !== null)
    problems.push(no('activation_quantization', model.activationQuantization, 'null on another engine'))
  if (options.neftuneNoiseAlpha !== undefined)
    problems.push(no('neftune_noise_alpha', String(options.neftuneNoiseAlpha), 'nothing on another engine'))
  if (options.spikeGuard !== 'off')
    problems.push(no('spike_guard', options.spikeGuard, 'off on another engine'))
  if (options.earlyStoppingPatience !== undefined || options.loadBestModelAtEnd)
    problems.push(
      no('evaluation', 'early_stopping_patience or load_best_model_at_end', 'a run that is made to its end'),
    )
  if (options.lrSchedulerType === 'reduce_lr_on_plateau')
    problems.push(no('lr_scheduler_type', options.lrSchedulerType, 'a schedule that is known before'))
  if (method === 'dpo') problems.push(...dpoProblems(options, no))
  if (reference?.kind === 'copy')
    problems.push(
      no(
        'reference',
        options.syncRefModel ? 'a reference that follows the model' : 'an adapter that is trained further',
        'a reference that is the base model, or was asked before',
        options.syncRefModel ? 'Leave out sync_ref_model.' : 'Set precompute_ref_log_probs: true.',
      ),
    )
  if (problems.length > 0) throw new FettleError(problems)
}

function dpoProblems(
  { lossType, useWeighting, fDivergenceType }: Options,
  no: (place: string, found: string, expected: string) => Problem,
): Problem[] {
  const losses = lossTypesOf('dpo', lossType)
  const isHanded = losses.length === 1 && handedDpoLosses.some((name) => name === losses[0])
  return [
    ...(isHanded ? [] : [no('loss_type', losses.join(', '), `one of ${handedDpoLosses.join(', ')}`)]),
    ...(useWeighting ? [no('use_weighting', 'true', 'false on another engine')] : []),
    ...(fDivergenceType === 'reverse_kl'
      ? []
      : [no('f_divergence_type', fDivergenceType, 'reverse_kl on another engine')]),
  ]
}
