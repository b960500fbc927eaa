/** The chat formats that `setupChatFormat` can give a model that has none. */
export type ChatFormatName =
  | 'chatml'
  | 'llama3'
  | 'mistral'
  | 'gemma'
  | 'phi3'
  | 'zephyr'
  | 'vicuna'
  | 'alpaca'

/** A chat format: its template, and the tokens that the tokenizer must know. */
export interface ChatFormat {
  template: string
  /** Absent where the format begins without one. */
  bosToken?: string
  /** The token that ends an assistant turn. */
  eosToken: string
  specialTokens: readonly string[]
}

/** A loop over the messages in which a header stands before each and an end behind it. */
function turns(header: string, ending: string, generationPrompt: string): string {
  return [
    '{% for message in messages %}',
    `{{ ${header} }}`,
    "{% if message['role'] == 'assistant' %}",
    `{% generation %}{{ message['content'] + ${ending} }}{% endgeneration %}{{ '\\n' }}`,
    '{% else %}',
    `{{ message['content'] + ${ending} + '\\n' }}`,
    '{% endif %}',
    '{% endfor %}',
    `{% if add_generation_prompt %}{{ ${generationPrompt} }}{% endif %}`,
  ].join('')
}

const mistral = [
  '{{ bos_token }}',
  "{% set system = '' %}{% set rest = messages %}",
  "{% if messages and messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\\n\\n' %}{% set rest = messages[1:] %}{% endif %}",
  '{% for message in rest %}',
  "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate user and assistant, after an optional system message') }}{% endif %}",
  "{% if message['role'] == 'user' %}{{ '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}",
  "{% else %}{% generation %}{{ ' ' + message['content'] + eos_token }}{% endgeneration %}{% endif %}",
  '{% endfor %}',
].join('')

const gemma = [
  '{{ bos_token }}',
  "{% set system = '' %}{% set rest = messages %}",
  "{% if messages and messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\\n\\n' %}{% set rest = messages[1:] %}{% endif %}",
  '{% for message in rest %}',
  "{% if message['role'] == 'assistant' %}{{ '<start_of_turn>model\\n' }}{% generation %}{{ message['content'] | trim + '<end_of_turn>' }}{% endgeneration %}{{ '\\n' }}",
  "{% else %}{{ '<start_of_turn>' + message['role'] + '\\n' + (system if loop.first else '') + message['content'] | trim + '<end_of_turn>\\n' }}{% endif %}",
  '{% endfor %}',
  "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
].join('')

const llama3 = [
  '{{ bos_token }}',
  '{% for message in messages %}',
  "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}",
  "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] | trim + '<|eot_id|>' }}{% endgeneration %}",
  "{% else %}{{ message['content'] | trim + '<|eot_id|>' }}{% endif %}",
  '{% endfor %}',
  "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
].join('')

const vicuna = [
  '{{ bos_token }}',
  '{% for message in messages %}',
  "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}",
  "{% elif message['role'] == 'user' %}{{ 'USER: ' + message['content'] + '\\n' }}",
  "{% else %}{{ 'ASSISTANT:' }}{% generation %}{{ ' ' + message['content'] + eos_token }}{% endgeneration %}{{ '\\n' }}{% endif %}",
  '{% endfor %}',
  "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
].join('')

const alpaca = [
  '{{ bos_token }}',
  '{% for message in messages %}',
  "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}",
  "{% elif message['role'] == 'user' %}{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}",
  "{% else %}{{ '### Response:\\n' }}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}{{ '\\n\\n' }}{% endif %}",
  '{% endfor %}',
  "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}",
].join('')

const angled = (end: string): string => turns("'<|' + message['role'] + '|>\\n'", end, "'<|assistant|>\\n'")

/** Well-known chat formats, with the assistant's part marked. */
export const chatFormats: Readonly<Record<ChatFormatName, ChatFormat>> = {
  chatml: {
    template: turns("'<|im_start|>' + message['role'] + '\\n'", "'<|im_end|>'", "'<|im_start|>assistant\\n'"),
    eosToken: '<|im_end|>',
    specialTokens: ['<|im_start|>', '<|im_end|>'],
  },
  llama3: {
    template: llama3,
    bosToken: '<|begin_of_text|>',
    eosToken: '<|eot_id|>',
    specialTokens: ['<|begin_of_text|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
  },
  mistral: {
    template: mistral,
    bosToken: '<s>',
    eosToken: '</s>',
    specialTokens: ['<s>', '</s>', '[INST]', '[/INST]'],
  },
  gemma: {
    template: gemma,
    bosToken: '<bos>',
    eosToken: '<end_of_turn>',
    specialTokens: ['<bos>', '<start_of_turn>', '<end_of_turn>'],
  },
  phi3: {
    template: angled("'<|end|>'"),
    bosToken: '<s>',
    eosToken: '<|end|>',
    specialTokens: ['<|system|>', '<|user|>', '<|assistant|>', '<|end|>'],
  },
  zephyr: {
    template: angled('eos_token'),
    bosToken: '<s>',
    eosToken: '</s>',
    specialTokens: ['<s>', '</s>'],
  },
  vicuna: { template: vicuna, bosToken: '<s>', eosToken: '</s>', specialTokens: ['<s>', '</s>'] },
  alpaca: { template: alpaca, bosToken: '<s>', eosToken: '</s>', specialTokens: ['<s>', '</s>'] },
}
