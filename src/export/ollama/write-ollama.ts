import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Problem } from '../../error.ts'
import { writeFileAtomic } from '../../formats/index.ts'
import type { ExportSource, WriteExport } from '../format.ts'
import { writeGgufModel } from '../gguf/write-model.ts'
import { readLicence } from '../model-card.ts'
import { goTemplate } from './go-template.ts'
import { unlikeKnown } from './unlike-known.ts'

const weights = 'model.gguf'

/** More context than that takes memory that most machines do not have for it; a user can ask for more. */
const mostContext = 8192

/** The first version that renders the chat template of a file itself, by llama-server. */
const rendersJinja = '0.30.0'

/**
 * A folder for `ollama create`: the model as a GGUF file, and a Modelfile with the template, all stop tokens, the context and the licence.
 * A template that only puts texts around messages is written in Ollama's language; any other one is rendered from the file, and made
 * unlike those that Ollama would take it for.
 */
export const writeOllamaExport: WriteExport = async (source, target) => {
  const template = goTemplate(source.tokenizer)
  const isRendered = template !== undefined && !template.includes('"""')
  const { chatTemplate } = source.tokenizer
  if (!isRendered && chatTemplate !== undefined) source.tokenizer.chatTemplate = unlikeKnown(chatTemplate)
  const notices = await writeGgufModel(
    source,
    { ...target, maxShardBytes: Number.POSITIVE_INFINITY },
    weights,
  )
  const text = await modelfile(source, isRendered ? template : undefined)
  await writeFileAtomic(join(target.folder, 'Modelfile'), text)
  return chatTemplate === undefined ? [...notices, withoutTemplate(source)] : notices
}

function withoutTemplate({ tokenizer }: ExportSource): Problem {
  return {
    place: tokenizer.place,
    found: 'no chat template',
    expected: 'one, for Ollama to write conversations as the model learned them',
    cure: 'Give the Modelfile a TEMPLATE.',
  }
}

async function modelfile(source: ExportSource, template: string | undefined): Promise<string> {
  const { model, tokenizer, stopSet, paths } = source
  const positions = model.architecture.maxPositions
  const licence = await licenceOf(paths.model)
  const isTemplated = tokenizer.chatTemplate !== undefined
  const lines = [
    '# ollama create NAME -f Modelfile',
    `FROM ./${weights}`,
    ...(template === undefined
      ? isTemplated
        ? [
            `# The chat template is in ${weights}; Ollama renders it from this version on.`,
            `REQUIRES ${rendersJinja}`,
          ]
        : []
      : [`TEMPLATE """${template}"""`]),
    ...stopSet.tokens.map(({ token }) => `PARAMETER stop ${JSON.stringify(token)}`),
    ...(positions > mostContext ? [`# The model takes up to ${positions} tokens.`] : []),
    `PARAMETER num_ctx ${Math.min(positions, mostContext)}`,
    ...sampling(source).map(([name, value]) => `PARAMETER ${name} ${value}`),
    ...(licence === undefined ? [] : [`LICENSE """${licence.replaceAll('"""', "'''")}"""`]),
  ]
  return `${lines.join('\n')}\n`
}

/** How generation_config.json samples, in Ollama's names. */
function sampling({ generationConfig }: ExportSource): [string, number][] {
  const { doSample, temperature, topK, topP, minP, repetitionPenalty } = generationConfig
  const given: [string, number | undefined][] = [
    ['temperature', doSample === false ? 0 : temperature],
    ['top_k', topK],
    ['top_p', topP],
    ['min_p', minP],
    ['repeat_penalty', repetitionPenalty],
  ]
  return given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
}

/** The text of the model's licence, or what its card calls it. */
async function licenceOf(folder: string): Promise<string | undefined> {
  for (const name of ['LICENSE', 'LICENSE.txt', 'LICENSE.md', 'LICENCE']) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => undefined)
    if (text !== undefined) return text.trim()
  }
  return readLicence(folder)
}
