import type { NamedToken } from '../named-tokens.ts'

/** What a class of transformers (5.24) does where a configuration says nothing. */
export interface TokenizerClass {
  /** null: none, also where the padding of tokenizer.json names one. */
  named: Partial<Record<NamedToken, string | null>>
  /** Special tokens beside the configuration's. */
  further?: readonly string[]
  paddingSide: 'left' | 'right'
}

/** Classes that say nothing of their own. */
const generic: TokenizerClass = { named: {}, paddingSide: 'right' }

const endOfText = '<|endoftext|>'
const llama: TokenizerClass = {
  named: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' },
  paddingSide: 'left',
}
const codeLlama: TokenizerClass = {
  ...llama,
  further: ['▁<PRE>', '▁<MID>', '▁<SUF>', '▁<EOT>', '<FILL_ME>'],
}
const qwen: TokenizerClass = {
  named: { eos_token: endOfText, unk_token: endOfText, pad_token: endOfText },
  paddingSide: 'right',
}
const gpt2: TokenizerClass = {
  named: { bos_token: endOfText, eos_token: endOfText, unk_token: endOfText, pad_token: null },
  paddingSide: 'right',
}
const gptNeoX: TokenizerClass = { ...gpt2, named: { ...gpt2.named, pad_token: '<|padding|>' } }
const gemma: TokenizerClass = {
  named: {
    bos_token: '<bos>',
    eos_token: '<eos>',
    unk_token: '<unk>',
    pad_token: '<pad>',
    mask_token: '<mask>',
  },
  paddingSide: 'left',
}
const cohere: TokenizerClass = {
  named: {
    bos_token: '<BOS_TOKEN>',
    eos_token: '<|END_OF_TURN_TOKEN|>',
    unk_token: '<UNK>',
    sep_token: '<SEP>',
    pad_token: '<PAD>',
    cls_token: '<CLS>',
    mask_token: '<MASK_TOKEN>',
  },
  paddingSide: 'left',
}
const bert: TokenizerClass = {
  named: {
    unk_token: '[UNK]',
    sep_token: '[SEP]',
    pad_token: '[PAD]',
    cls_token: '[CLS]',
    mask_token: '[MASK]',
  },
  paddingSide: 'right',
}
const t5: TokenizerClass = {
  named: { eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' },
  paddingSide: 'right',
}

/** By name, without `Fast` behind it; any other is a generic one. */
const classes: Readonly<Record<string, TokenizerClass>> = {
  LlamaTokenizer: llama,
  CodeLlamaTokenizer: codeLlama,
  Qwen2Tokenizer: qwen,
  Qwen3_5Tokenizer: qwen,
  GPT2Tokenizer: gpt2,
  CodeGenTokenizer: gpt2,
  GPTNeoXTokenizer: gptNeoX,
  GemmaTokenizer: gemma,
  CohereTokenizer: cohere,
  BertTokenizer: bert,
  T5Tokenizer: t5,
}

/** The classes that transformers knows the tokenizers of models to be of: values of `model_type` in config.json. */
const classOfModel: Readonly<Record<string, string>> = {
  Qwen2Tokenizer: 'qwen2 qwen2_moe qwen3 qwen3_moe qwen3_next qwen2_vl qwen2_5_vl',
  Qwen3_5Tokenizer: 'qwen3_5 qwen3_5_text qwen3_5_moe qwen3_5_moe_text',
  GemmaTokenizer: 'gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma',
  GPT2Tokenizer: 'gpt2 gpt_neo gptj codegen opt phi starcoder2 dbrx',
  GPTNeoXTokenizer: 'gpt_neox olmo olmoe mpt mamba mamba2 falcon_mamba rwkv',
  CohereTokenizer: 'cohere cohere2',
  BertTokenizer: 'bert distilbert electra',
  T5Tokenizer: 't5 mt5',
  // Generic ones, whatever class the tokenizer's configuration names.
  TokenizersBackend: `
    mistral mixtral ministral ministral3 mistral3 pixtral voxtral granite granitemoe granitemoehybrid
    granitemoeshared gpt_bigcode olmo2 olmo3 olmo_hybrid flex_olmo phi3 phimoe nemotron stablelm jamba
    glm glm4 glm4_moe glm4v persimmon kimi_linear internlm2 internlm3
  `,
}

/** Models whose published configurations name a wrong class. */
const misnamed = new Set(['qwen2', 'qwen3_5', 'qwen3_5_moe', 'qwen3_5_moe_text'])

/**
 * The class that transformers makes of a tokenizer.
 * Source: AutoTokenizer.from_pretrained in models/auto/tokenization_auto.py
 *
 * @param named        `tokenizer_class` of tokenizer_config.json, else of config.json
 * @param modelType    `model_type` of config.json
 * @param spellsBytes  whether tokenizer.json has a part `ByteLevel`, which Llama's own class has not
 */
export function tokenizerClass(
  named: string | undefined,
  modelType: string | undefined,
  spellsBytes: boolean,
): TokenizerClass {
  const own = named?.replace(/Fast$/, '')
  const known = Object.entries(classOfModel).find(([, types]) =>
    types.split(/\s+/).includes(modelType ?? ''),
  )?.[0]
  const isMisnamed = modelType !== undefined && misnamed.has(modelType)
  if (own === 'LlamaTokenizer' && spellsBytes && !isMisnamed) return generic
  const isKnownBetter = known !== undefined && own !== '' && (known === 'TokenizersBackend' || isMisnamed)
  return byName(isKnownBetter || own === undefined ? known : own)
}

function byName(name: string | undefined): TokenizerClass {
  return name !== undefined && Object.hasOwn(classes, name) ? classes[name] : generic
}
