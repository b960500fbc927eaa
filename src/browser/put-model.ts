import { FettleError } from '../error.ts'
import { isGgufName, parseJson } from '../formats/index.ts'
import { fetched, putFiles } from './files.ts'

const weights = 'model.safetensors'
const index = 'model.safetensors.index.json'
/** What a model's folder has besides, or may lack. */
const others = [
  'generation_config.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
]

interface WeightIndex {
  /** The file of each tensor. */
  weight_map?: Record<string, string>
}

/**
 * Fetches the model at an address into the page's memory: a folder as Hugging Face has them, with all files of its weights, or one
 * `.gguf` file. Of huggingface.co the page of the model will do, too.
 *
 * @param folder   where it is put; begins with `/`
 * @param address  of the folder or the `.gguf` file
 * @returns        the path for `fromPretrained`
 * @throws FettleError for an address that does not answer, or has no model
 */
export async function putModel(folder: string, address: URL): Promise<string> {
  if (isGgufName(address.pathname)) {
    const name = address.pathname.split('/').at(-1) ?? ''
    await putFiles(folder, { [name]: address })
    return `${folder}/${name}`
  }
  const place = folderAt(address)
  const at = (name: string) => new URL(name, place)
  await putFiles(folder, { 'config.json': at('config.json') })
  const names = [weights, index, 'tokenizer.json', ...others]
  const answers = await Promise.all(names.map((name) => fetchIfThere(at(name))))
  const files = Object.fromEntries(names.flatMap((name, i) => (answers[i] ? [[name, answers[i]]] : [])))
  await putFiles(folder, files)
  if (weights in files) return folder
  if (!(index in files))
    throw new FettleError({
      place: place.href,
      found: `neither ${weights} nor ${index}`,
      expected: 'a model with weights as safetensors, or the address of a .gguf file',
    })
  const { weight_map: places = {} } = parseJson(await files[index].text(), at(index).href) as WeightIndex
  const shards = [...new Set(Object.values(places))]
  await putFiles(folder, Object.fromEntries(shards.map((name) => [name, at(name)])))
  return folder
}

/** The folder of an address, with a slash at its end. */
function folderAt(address: URL): URL {
  const path = address.pathname.replace(/\/+$/, '')
  const isHubPage = address.hostname === 'huggingface.co' && /^\/[^/]+\/[^/]+$/.test(path)
  return new URL(`${isHubPage ? `${path}/resolve/main` : path}/`, address)
}

/** What an address answers; undefined where there is nothing. */
async function fetchIfThere(address: URL): Promise<Blob | undefined> {
  const answer = await fetched(address, 404)
  return answer.ok ? answer.blob() : undefined
}
