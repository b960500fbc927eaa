"""GGUF files of a Llama in the types that fettle uses in place, as llama.cpp's llama-quantize makes them (MXFP4: by gguf-py, with tables in Q8_0).

Run in a Python with torch, transformers, gguf and llama-cpp-python: python make_gguf.py MODEL OUTPUT
Writes OUTPUT/q8_0.gguf and so on. Matrices whose rows are no whole blocks of 256 get Q5_0 for Q4_K and Q8_0 for Q6_K, as ever in llama.cpp.
"""
import ctypes
import os
import sys

import gguf
import llama_cpp
import numpy as np
import torch
from transformers import AutoModelForCausalLM

names = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
top = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def permute(rows, heads):
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def write(path, model, type_of):
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"<{i}>" for i in range(config.vocab_size)])
    writer.add_token_scores([0.0] * config.vocab_size)
    writer.add_token_types([1] * config.vocab_size)
    for key, value in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        module, kind = key.rsplit(".", 1)
        rows = value.float().numpy()
        if module.endswith(("q_proj", "k_proj")):
            rows = permute(rows, config.num_attention_heads if module.endswith("q_proj") else config.num_key_value_heads)
        parts = module.split(".")
        stored = top.get(module) or f"blk.{parts[2]}.{names['.'.join(parts[3:])]}"
        wanted = type_of(module) if rows.ndim == 2 else None
        if wanted is None:
            writer.add_tensor(f"{stored}.{kind}", np.ascontiguousarray(rows))
        else:
            writer.add_tensor(f"{stored}.{kind}", gguf.quants.quantize(np.ascontiguousarray(rows), wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


source, output = sys.argv[1:3]
os.makedirs(output, exist_ok=True)
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
whole = os.path.join(output, "f32.gguf")
write(whole, model, lambda module: None)
T = gguf.GGMLQuantizationType
write(os.path.join(output, "mxfp4.gguf"), model, lambda module: T.Q8_0 if module in top else T.MXFP4)
for name, kind in {"q8_0": "Q8_0", "q4_0": "Q4_0", "q4_1": "Q4_1", "q4_k_m": "Q4_K_M", "q6_k": "Q6_K", "iq4_nl": "IQ4_NL"}.items():
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    params.nthread = 2
    if llama_cpp.llama_model_quantize(whole.encode(), os.path.join(output, f"{name}.gguf").encode(), ctypes.byref(params)) != 0:
        print("llama.cpp does not make", name)
os.remove(whole)
