"""A small model of random weights, with the vocabulary of a tokenizer: python tiny_model.py FAMILY OUT TOKENIZER

Larger numbers than a new model's, so that six steps move what they should; heads of an odd length, and windows shorter than the texts.
"""
import sys
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

family, out, tokenizer = sys.argv[1:4]
common = dict(vocab_size=len(AutoTokenizer.from_pretrained(tokenizer)), hidden_size=160, intermediate_size=320, num_hidden_layers=4,
              num_attention_heads=4, num_key_value_heads=2, head_dim=48, max_position_embeddings=1024, initializer_range=0.06,
              bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=True)
experts = dict(num_experts=6, num_experts_per_tok=2, moe_intermediate_size=96, norm_topk_prob=True)
families = {
    "qwen3": {},
    "gemma3_text": dict(sliding_window=96, query_pre_attn_scalar=40, layer_types=["sliding_attention"] * 3 + ["full_attention"]),
    "qwen3_moe": experts,
    "mixtral": dict(num_local_experts=6, num_experts_per_tok=2, sliding_window=200),
    "gpt_oss": dict(num_local_experts=6, num_experts_per_tok=2, sliding_window=96, rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
    "olmo2": {},
    "granite": dict(embedding_multiplier=6.0, attention_multiplier=0.1, residual_multiplier=0.5, logits_scaling=2.0),
}
if family not in families:
    sys.exit(f"no small {family}: choose one of {', '.join(families)}")
torch.manual_seed(0)
model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **{**common, **families[family]}), dtype=torch.float32)
model.save_pretrained(out)
print("{}")
