import { FettleError, quoteValue } from '../error.ts'
import type { LoraConfig } from './lora-config.ts'

/**
 * Which of a model's tensors `target_parameters` names, as PEFT matches them: by their whole name, or by what follows a dot.
 * `exclude_modules` and `layers_to_transform` do not count here.
 */
export function matchParameters(
  { targetParameters = [] }: Pick<LoraConfig, 'targetParameters'>,
  parameters: readonly string[],
): string[] {
  return parameters.filter((parameter) => targetParameters.some((name) => isNamed(parameter, name)))
}

/**
 * Refuses what LoRA on single tensors cannot be beside, as PEFT does, and a tensor that is no projection: LoRA is on none but these.
 *
 * @param projections  names of tensors that can have LoRA
 * @param others       names of all others
 * @param prefix       of the names of its fields, for messages
 * @throws FettleError that names all of it
 */
export function checkParameters(
  config: LoraConfig,
  projections: readonly string[],
  others: readonly string[],
  prefix = 'lora.',
): void {
  const { targetParameters = [], loraDropout, useDora, initLoraWeights: init } = config
  if (targetParameters.length === 0) return
  const experts = projections.filter((name) => !name.endsWith('.weight'))
  const endings = [...new Set(experts.map((name) => name.split('.').slice(-3).join('.')))]
  const problem = (field: string, found: string, expected: string, cure?: string) => ({
    place: `${prefix}${field}`,
    found,
    expected,
    ...(cure !== undefined && { cure }),
  })
  const beside = 'beside target_parameters'
  const problems = [
    loraDropout > 0 &&
      problem('lora_dropout', `${loraDropout} ${beside}`, '0: PEFT has no dropout on single tensors'),
    useDora && problem('use_dora', `true ${beside}`, 'false: PEFT has no DoRA on single tensors'),
    typeof init === 'string' &&
      /^(pissa|olora|loftq|orthogonal)/.test(init) &&
      problem('init_lora_weights', `"${init}" ${beside}`, 'true, false or gaussian, as in PEFT'),
    ...targetParameters
      .filter((name) => others.some((other) => isNamed(other, name)))
      .map((name) =>
        problem(
          'target_parameters',
          `${quoteValue(name)}, which is a router, a bias or another tensor that is no projection`,
          endings.length > 0 ? endings.join(', ') : 'the weight of a linear layer',
          'In PEFT, save the model of merge_and_unload(), and load that one here.',
        ),
      ),
  ].filter((each) => each !== false)
  if (problems.length > 0) throw new FettleError(problems)
}

/** For an adapter that is new: each name of the list means some tensor, or it was mistyped. */
export function checkParameterNames(
  { targetParameters = [] }: LoraConfig,
  projections: readonly string[],
): void {
  const unused = targetParameters.filter((name) => !projections.some((each) => isNamed(each, name)))
  if (unused.length === 0) return
  const experts = projections.filter((name) => !name.endsWith('.weight'))
  const endings = [...new Set(experts.map((name) => name.split('.').slice(-3).join('.')))]
  throw new FettleError({
    place: 'lora.target_parameters',
    found: `${quoteValue(unused)}, which matches no tensor of the model`,
    expected: endings.length > 0 ? endings.join(', ') : 'names of experts, of which this model has none',
    ...(endings.length === 0 && { cure: 'Name its linear layers in target_modules.' }),
  })
}

function isNamed(parameter: string, name: string): boolean {
  return parameter === name || parameter.endsWith(`.${name}`)
}
