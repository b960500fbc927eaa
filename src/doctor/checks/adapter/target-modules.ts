import { FettleError } from '../../../error.ts'
import { checkTargets, loraConfig, matchModules } from '../../../peft/index.ts'
import type { Check } from '../../check.ts'
import type { Draft } from '../../diagnosis.ts'
import { linearModules, type AdapterFiles, type ModelFiles } from '../../model-files.ts'
import { plural } from '../../../plural.ts'

/** Names of layers to adapt, or of an adapter's tensors, that the model does not have. */
export const targetModules: Check = {
  looksFor: 'target_modules, and tensors of an adapter, that match nothing in the model',
  examine({ model, run, adapter }) {
    if (model === undefined || model.isGguf) return []
    const asked = [
      run?.lora?.targetModules && {
        place: `${run.place}: target_modules`,
        names: run.lora.targetModules,
      },
      adapter && {
        place: `${adapter.path}/adapter_config.json: target_modules`,
        names: namesOf(adapter.config['target_modules']),
      },
    ]
    return [
      ...asked.flatMap((item) => (item && item.names ? unmatched(model, item.place, item.names) : [])),
      ...unknownSaved(model, run?.lora?.modulesToSave, run?.place ?? ''),
      ...(adapter ? foreignTensors(model, adapter) : []),
    ]
  },
}

function namesOf(value: unknown): string | string[] | undefined {
  if (typeof value === 'string') return value
  return Array.isArray(value) ? value.map(String) : undefined
}

const why = 'What matches nothing is not trained: the run stops, or the adapter changes less than it seems.'

function unmatched(model: ModelFiles, place: string, names: string | string[]): Draft[] {
  // Embedding and head can be adapted too, by PEFT if not by fettle.
  const listed = Array.isArray(names) ? names.filter((name) => !/^(embed_tokens|lm_head)$/.test(name)) : names
  if (listed.length === 0) return []
  try {
    const [config, modules] = [
      loraConfig({ targetModules: listed }),
      { linear: linearModules(model), tables: [] },
    ]
    checkTargets(config, modules)
    matchModules(config, modules)
    return []
  } catch (error) {
    if (!(error instanceof FettleError)) throw error
    return error.problems.map(({ found, expected, cure }) => ({
      severity: 'error',
      place,
      found: `${found}${expected === undefined ? '' : `; expected ${expected}`}`,
      evidence: [],
      why,
      cure: cure?.startsWith('lm_head') ? 'Use the names that the model has, or all-linear.' : (cure ?? ''),
    }))
  }
}

function unknownSaved(model: ModelFiles, names: readonly string[] = [], place: string): Draft[] {
  const has = (name: string) => [...model.shapes.keys()].some((key) => `.${key}`.includes(`.${name}.`))
  return names
    .filter((name) => !has(name))
    .map((name) => ({
      severity: 'error',
      place: `${place}: modules_to_save`,
      found: `'${name}', which the model does not have`,
      evidence: [],
      why,
      cure:
        name === 'lm_head' && model.config['tie_word_embeddings'] === true
          ? 'The head is tied to the embedding: name embed_tokens instead.'
          : 'Use a name that the model has: embed_tokens, lm_head, norm.',
    }))
}

/** Tensors of the adapter for modules that the base model does not have. */
function foreignTensors(model: ModelFiles, { path, tensors }: AdapterFiles): Draft[] {
  const modules = [...tensors.keys()].flatMap((name) => {
    const match = /^base_model\.model\.(.+?)\.(?:base_layer\.)*lora_[AB]\./.exec(name)
    return match ? [match[1]] : []
  })
  const foreign = [...new Set(modules)].filter((name) => !model.shapes.has(`${name}.weight`))
  // Fused experts are parameters of their own, not the weight of a module.
  const missing = foreign.filter((name) => !/experts/.test(name))
  if (missing.length === 0) return []
  return [
    {
      severity: 'error',
      place: `${path}/adapter_model.safetensors`,
      found: `weights for ${plural(missing.length, 'module')} that ${model.path} does not have`,
      evidence: missing.slice(0, 3).map((name) => ({ place: name })),
      why: 'The adapter was made for another model; PEFT leaves such weights out with a warning.',
      cure: 'Use it with the model that it was trained on.',
    },
  ]
}
