/** Keys of config.json that are true where a GGUF file has biases of the first layer. */
export const biasTensors = { attention_bias: 'blk.0.attn_q.bias', mlp_bias: 'blk.0.ffn_gate.bias' } as const
