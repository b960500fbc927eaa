import { FettleError, quoteValue, type Problem } from '../../error.ts'
import type { LoraConfig } from '../../peft/index.ts'
import { matchModules } from '../../peft/index.ts'
import { snakeCase } from './option-keys.ts'
import type { TrainOptionsInput } from './options.ts'

/**
 * Refuses options of LoRA that the adapter a run goes on from does not have: it keeps its own, and would say nothing of it.
 *
 * @param given    the options as they were given, without defaults
 * @param modules  paths of the linear layers of the model
 * @throws FettleError that names each of them
 */
export function refuseOtherLora(
  config: LoraConfig,
  given: TrainOptionsInput['lora'],
  modules: readonly string[],
): void {
  const problems = Object.entries(given ?? {}).flatMap(([name, value]): Problem[] => {
    const own: unknown = Reflect.get(config, name)
    if (value === undefined || isSame(name, value, own, config, modules)) return []
    return [
      {
        place: `lora.${name}`,
        found: `${quoteValue(value)}, beside an adapter with ${snakeCase(name)} ${quoteValue(own ?? null)}`,
        expected: 'what the adapter has, or nothing',
        cure: 'Leave it out to train the adapter further. For a new adapter merge this one first (fettle merge), and train on the merged model without adapter.',
      },
    ]
  })
  if (problems.length > 0) throw new FettleError(problems)
}

function isSame(
  name: string,
  value: unknown,
  own: unknown,
  config: LoraConfig,
  modules: readonly string[],
): boolean {
  if (name === 'targetModules') {
    // The same modules may be said in several ways.
    const matched = (targetModules: LoraConfig['targetModules']) =>
      targetModules.length === 0
        ? []
        : matchModules(alone(config, targetModules), { linear: modules, tables: [] }).map(
            ({ module }) => module,
          )
    return String(matched(value as LoraConfig['targetModules'])) === String(matched(config.targetModules))
  }
  const comparable = (item: unknown) => JSON.stringify(Array.isArray(item) ? item.toSorted() : (item ?? null))
  return comparable(value) === comparable(own)
}

function alone(config: LoraConfig, targetModules: LoraConfig['targetModules']): LoraConfig {
  const { targetParameters: _, ...rest } = config
  return { ...rest, targetModules }
}
