import { expect, test, vi } from 'vitest'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { fixture } from './golden.ts'

vi.mock('../../src/machine-memory.ts', () => ({ machineMemory: () => 20_000_000 }))

test('rows that no memory holds are refused before they are asked for, and the model stays as it was', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  const before = model.vocabSize
  await expect(model.resizeTokenEmbeddings(1_000_000)).rejects.toThrow(
    /^resizeTokenEmbeddings: size: 1000000 rows, which take \d+ MB; expected at most the 20\.0 MB of this machine's memory\. Give the number of tokens: tokenizer\.length\.$/,
  )
  expect(model.vocabSize).toBe(before)
  await model.resizeTokenEmbeddings(130)
  expect(model.vocabSize).toBe(130)
})
