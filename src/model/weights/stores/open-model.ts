import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { FettleError } from '../../../error.ts'
import { isGgufName, readGguf, readJsonFile } from '../../../formats/index.ts'
import { parametersOf } from '../../blocks/architecture.ts'
import type { ModelDescription } from '../../families/index.ts'
import { describeGguf, describeModel, layersOf, textConfig } from '../../families/index.ts'
import { refuseQuantized, wholeNotice } from '../quantized/foreign-quantization.ts'
import { openSafetensorsStore } from './safetensors-store.ts'
import { openStoredTensors, unreadNotice, unreadTensors } from './stored-tensors.ts'
import { leftNotice, textTensors } from './text-part.ts'
import { withStoredScore } from './stored-score.ts'
import { withStoredHead } from './tied-head.ts'
import type { WeightStore } from './weight-store.ts'

/** Everything about a stored model but its numbers. */
export interface StoredModel extends ModelDescription {
  store: WeightStore
  /** generation_config.json as it was read. */
  generationConfig: Record<string, unknown> | null
}

/**
 * Opens a Hugging Face folder (config.json and safetensors) or a GGUF file.
 *
 * @throws FettleError that says what is missing, cut off or of another shape
 */
export async function openModel(path: string): Promise<StoredModel> {
  if (!existsSync(path))
    throw new FettleError({
      place: path,
      found: 'nothing',
      expected: 'a Hugging Face model folder or a .gguf file',
      cure: 'Check the path; fettle does not download models.',
    })
  if (statSync(path).isFile()) {
    if (!isGgufName(path))
      throw new FettleError({
        place: path,
        found: `the file ${basename(path)}`,
        expected: 'a folder with config.json, or a .gguf file',
        cure: `Give the folder instead: ${dirname(path)}.`,
      })
    const { openGgufStore, unreadGgufTensors } = await import('./gguf-store.ts')
    const file = readGguf(path)
    const described = await describeGguf(path, file)
    const store = openGgufStore(path, file, described.architecture)
    const unread = unreadNotice(path, unreadGgufTensors(file, described.architecture))
    return { ...described, notices: [...described.notices, ...unread], store, generationConfig: null }
  }
  const place = join(path, 'config.json')
  if (!existsSync(place))
    throw new FettleError({
      place: path,
      found: existsSync(join(path, 'adapter_config.json')) ? 'an adapter, not a model' : 'no config.json',
      expected: 'a Hugging Face model folder',
      cure: existsSync(join(path, 'adapter_config.json'))
        ? 'Give the base model here and this folder as adapter.'
        : 'Check the path.',
    })
  const raw = await readJsonFile(place)
  const tensors = await openStoredTensors(path, raw, place)
  refuseQuantized(raw, place, tensors.names)
  const { isInside, root } = textConfig(raw, place)
  const { text, left } = isInside ? textTensors(tensors, root) : { text: tensors, left: [] }
  const said = await describeModel(raw, place, {
    layers: layersOf(text.names),
    has: (name) => text.find(name) !== undefined,
  })
  const whole = isInside ? said : withStoredScore(said, place, text)
  const { described, stored } = await withStoredHead(whole, place, text)
  const { architecture, notices } = described
  const unread = unreadNotice(path, unreadTensors(stored, architecture))
  const store = openSafetensorsStore(stored, parametersOf(architecture), unread)
  const generation = join(path, 'generation_config.json')
  return {
    ...described,
    notices: [
      ...notices,
      ...wholeNotice(raw, place, stored.isQuantized),
      ...leftNotice(path, left),
      ...unread,
    ],
    store,
    generationConfig: existsSync(generation) ? await readJsonFile(generation) : null,
  }
}
