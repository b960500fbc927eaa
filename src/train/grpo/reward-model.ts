import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { AutoModelForCausalLM, internalsOf } from '../../model/index.ts'
import { readAdapterConfig } from '../../peft/index.ts'
import { AutoTokenizer } from '../../tokenizer/index.ts'
import type { RewardFunction } from './rewards.ts'

/** A reward model as a function of `rewards`. */
export interface RewardModel {
  /** Called as its folder is. */
  reward: RewardFunction
  /** Gives its memory back. */
  free(): Promise<void>
}

/** Whether a folder holds a model or an adapter. */
export function isModelFolder(folder: string): boolean {
  return ['config.json', 'adapter_config.json'].some((name) => existsSync(join(folder, name)))
}

/**
 * Loads what `method: reward`, or TRL's RewardTrainer, saved: a model for sequence classification, or an adapter with such a head, whose
 * base is where its configuration says. It scores a completion with its prompt as it was trained to, by its own tokenizer: chats are
 * rendered whole, texts end in eos where they ended by themselves; a prompt of tokens is scored with the tokens of its completion.
 *
 * @param place  what errors call it
 * @throws FettleError where there is none, or it is a language model
 */
export async function loadRewardModel(folder: string, place: string): Promise<RewardModel> {
  const isAdapter = !existsSync(join(folder, 'config.json'))
  const base = isAdapter ? await baseOf(folder, place) : folder
  const model = await AutoModelForCausalLM.fromPretrained(base)
  if (isAdapter) await model.loadAdapter(folder)
  if (internalsOf(model).state.architecture.isScored !== true) {
    await model.free()
    throw new FettleError({
      place,
      found: `${isAdapter ? 'an adapter of ' : ''}a language model`,
      expected: 'a reward model, which gives a score',
      cure: 'Train one with method: reward, or give a module of functions.',
    })
  }
  const hasTokenizer = existsSync(join(folder, 'tokenizer_config.json'))
  const tokenizer = await AutoTokenizer.fromPretrained(hasTokenizer ? folder : base)
  const { eosToken: eos = '' } = tokenizer

  const reward: RewardFunction = async (completion, _, context) => {
    const [score] = await model.score({ inputIds: [await idsOf(completion, context)] })
    return score
  }
  return {
    reward: Object.defineProperty(reward, 'name', { value: basename(resolve(folder)) }),
    free: () => model.free(),
  }

  async function idsOf(
    completion: string,
    { prompt, promptIds, completionIds, finishReason }: Parameters<RewardFunction>[2],
  ): Promise<readonly number[]> {
    if (typeof prompt === 'string') {
      const end = finishReason === 'stop' ? eos : ''
      return (await tokenizer.encode(prompt + completion + end)).inputIds
    }
    if (!isChat(prompt)) return [...promptIds, ...completionIds]
    const text = tokenizer.applyChatTemplate([...prompt, { role: 'assistant', content: completion }])
    return (await tokenizer.encode(text, { addSpecialTokens: false })).inputIds
  }
}

/** A list of messages; of tokens it is a list of numbers. */
function isChat(prompt: unknown): prompt is Message[] {
  return Array.isArray(prompt) && typeof prompt[0] === 'object'
}

/** @throws FettleError where the base of an adapter is not on this machine */
async function baseOf(adapter: string, place: string): Promise<string> {
  const { baseModelNameOrPath: named } = (await readAdapterConfig(adapter)).values
  if (named !== undefined && existsSync(named)) return named
  throw new FettleError({
    place: `${place}: adapter_config.json: base_model_name_or_path`,
    found: named === undefined ? 'nothing' : `'${named}', which is not on this machine`,
    expected: 'the path of the model that the adapter belongs to',
    cure: 'Merge the adapter into its base (fettle merge), and give that folder.',
  })
}
