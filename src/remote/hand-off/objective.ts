import { FettleError, type Problem } from '../../error.ts'
import { isGgufName } from '../../formats/index.ts'
import { internalsOf } from '../../model/index.ts'
import { lossTypeOf, lossTypesOf, optimName, type TrainingTask } from '../../train/index.ts'
import { handedDpoLosses, type HandOffRecord } from './schema.ts'

type Options = TrainingTask['options']

/** How the loss follows from log-probabilities, as the runner computes it. */
export function objectiveOf(options: Options, stopTokenIds: readonly number[]): HandOffRecord['objective'] {
  const { method, lossType, beta = 0.1, labelSmoothing: label_smoothing } = options
  if (method === 'dpo') {
    const [first] = lossTypesOf('dpo', lossType)
    const loss_type = handedDpoLosses.find((name) => name === first) ?? 'sigmoid'
    return { method, loss_type, beta, label_smoothing }
  }
  if (method === 'kto') return { method, loss_type: lossTypeOf('kto', lossType), beta }
  if (method === 'orpo') return { method, beta }
  if (method === 'cpo') {
    const { cpoAlpha: cpo_alpha, simpoGamma: simpo_gamma, alpha } = options
    const loss_type = lossTypeOf('cpo', lossType)
    return { method, loss_type, beta, label_smoothing, cpo_alpha, simpo_gamma, alpha }
  }
  return { method: 'sft', stop_token_ids: [...stopTokenIds] }
}

type Optimiser = HandOffRecord['optimiser']

/** The optimisers that PyTorch's side has. */
const makers: { [N in Optimiser['name']]: (options: Options) => Extract<Optimiser, { name: N }> } = {
  adamw: ({ adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: epsilon, maxGradNorm: max_grad_norm }) => ({
    name: 'adamw',
    beta1,
    beta2,
    epsilon,
    max_grad_norm,
  }),
  lion: ({ adamBeta1: beta1, adamBeta2: beta2, maxGradNorm: max_grad_norm }) => ({
    name: 'lion',
    beta1,
    beta2,
    max_grad_norm,
  }),
  sgd: ({ optimArgs = {}, maxGradNorm: max_grad_norm }) => {
    const { momentum = 0, dampening = 0, nesterov = false } = optimArgs
    return { name: 'sgd', momentum, dampening, nesterov, max_grad_norm }
  },
  adafactor: ({ maxGradNorm: max_grad_norm }) => ({ name: 'adafactor', max_grad_norm }),
}

/** The optimiser and its numbers; undefined for one that PyTorch's side does not have. */
export function handedOptimiser(options: Options): Optimiser | undefined {
  const given = optimName(options.optim)
  const name = (Object.keys(makers) as Optimiser['name'][]).find((each) => each === given)
  return name && makers[name](options)
}

/** The methods that PyTorch's side computes. */
const methods: readonly string[] = ['sft', 'dpo', 'kto', 'orpo', 'cpo']

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
  if (!methods.includes(method))
    problems.push(no('method', method, `${methods.join(', ')} on another engine`))
  if (isGgufName(model.nameOrPath))
    problems.push(
      no('model', model.nameOrPath, 'a Hugging Face folder: PyTorch reads no GGUF', 'Give that folder.'),
    )
  const init = model.adapterConfig?.initLoraWeights
  if (typeof init === 'string' && /^(pissa_niter|loftq)/.test(init))
    problems.push(
      no(
        'lora.init_lora_weights',
        init,
        'a start that another engine finds again: this one is drawn at random, or rounds the base',
        'Set init_lora_weights: pissa, or train here (without --on).',
      ),
    )
  if (handedOptimiser(options) === undefined)
    problems.push(
      no(
        'optim',
        options.optim,
        `${Object.keys(makers).join(', ')} on another engine`,
        'Set optim: adamw, which learns alike and takes more memory.',
      ),
    )
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
