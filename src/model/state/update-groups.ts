import { elementCount } from '../../engine/index.ts'

/**
 * Which of LoRA+'s learning rates a tensor has, as PEFT's create_loraplus_optimizer groups them: `outputs` are LoRA's B and all vectors,
 * `embedding` both of LoRA's matrices on the embedding, `inputs` all else.
 */
export type RateGroup = 'inputs' | 'outputs' | 'embedding'

/** A stretch of the flat parameters that an optimiser updates alike. */
export interface UpdateGroup {
  /** First number, and how many. */
  start: number
  length: number
  /** Whether weight decay is for it: as transformers' Trainer decides, and as LoRA+ does. */
  decays: boolean
  decaysInLoraPlus: boolean
  rate: RateGroup
}

/** What is known of a trainable tensor. */
interface Updated {
  start: number
  shape: readonly number[]
  decay: boolean
  decaysInLoraPlus?: boolean
  slices: readonly { name: string }[]
}

/** Neighbours that are alike in all of it are one. */
export function updateGroups(tensors: readonly Updated[]): UpdateGroup[] {
  const groups: UpdateGroup[] = []
  for (const tensor of tensors) {
    const { start, shape, decay: decays, decaysInLoraPlus = true } = tensor
    const group = { start, length: elementCount(shape), decays, decaysInLoraPlus, rate: rateOf(tensor) }
    const last = groups.at(-1)
    if (last && isAlike(last, group)) last.length += group.length
    else groups.push(group)
  }
  return groups
}

function isAlike(a: UpdateGroup, b: UpdateGroup): boolean {
  return a.decays === b.decays && a.decaysInLoraPlus === b.decaysInLoraPlus && a.rate === b.rate
}

function rateOf({ slices: [slice], shape }: Updated): RateGroup {
  if (slice?.name.includes('.lora_embedding_')) return 'embedding'
  return shape.length === 1 || slice?.name.includes('.lora_B.') ? 'outputs' : 'inputs'
}

const undecayed = /bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)/i

/**
 * Whether weight decay is for a parameter of this name.
 *
 * @param isLayerNorm  whether it is of a module of PyTorch's LayerNorm, whatever it is called
 */
export function decaysByName(
  name: string,
  isLayerNorm: boolean,
): Pick<UpdateGroup, 'decays' | 'decaysInLoraPlus'> {
  return {
    decays: !isLayerNorm && !undecayed.test(name),
    decaysInLoraPlus: !isLayerNorm && !name.includes('bias'),
  }
}
