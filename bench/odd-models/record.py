"""Small models of odd configurations, and what Transformers computes with them: python record.py OUT SEED COUNT [FAMILY ...]

Of each family COUNT configurations, whose values are drawn: OUT/<family>-<n>/ holds config.json and model.safetensors, and golden.safetensors
with input_ids, attention_mask, labels, logits, loss and greedy tokens; gradients/ holds the gradients in the place of the weights, so that their
names and shapes are those of the file. A configuration that the class refuses, or cannot compute with, is drawn again. Prints the names as JSON.
"""
import json, logging, os, random, shutil, sys, warnings
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
transformers_logging.disable_progress_bar()
torch.set_num_threads(1)
out, seed, count, *only = sys.argv[1:]

activations = ["silu", "silu", "swish", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python", "gelu_python_tanh", "gelu_accurate"]


def rope(pick, kinds=("default", "linear", "llama3", "yarn", "dynamic")):
    kind = pick(kinds)
    original = pick([8, 16])
    fields = {
        "default": {}, "linear": dict(factor=pick([2.0, 3.5])), "dynamic": dict(factor=pick([2.0, 4.0])),
        "llama3": dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=pick([2.0, 4.0]), original_max_position_embeddings=original),
        "yarn": dict(factor=4.0, original_max_position_embeddings=original,
                     **pick([{}, dict(beta_fast=16.0, beta_slow=2.0), dict(attention_factor=1.2), dict(mscale=0.7, mscale_all_dim=0.9), dict(truncate=False)])),
    }[kind]
    theta = pick([50.0, 10000.0, 500000.0])
    if pick([True, False]):
        return dict(rope_parameters=dict(rope_type=kind, rope_theta=theta, **fields))
    name = pick(["type", "rope_type"])
    return dict(rope_theta=theta, rope_scaling=None if kind == "default" else {name: kind, **fields})


def types(pick, layers, a="sliding_attention", b="full_attention"):
    return pick([{}, dict(layer_types=[pick([a, b]) for _ in range(layers - 1)] + [b])])


def router(pick, experts):
    return dict(num_experts_per_tok=pick([1, 2, experts]), output_router_logits=pick([True, False]), router_aux_loss_coef=pick([0.0, 0.02]))


def common(pick):
    heads, keys = pick([(4, 1), (4, 2), (4, 4), (3, 1), (6, 2)])
    layers = pick([2, 3, 4, 5])
    made = dict(
        vocab_size=pick([61, 67]), hidden_size=heads * pick([6, 10, 16]), intermediate_size=pick([17, 33, 48]), num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=keys, max_position_embeddings=pick([16, 64]), rms_norm_eps=pick([1e-6, 1e-2]),
        hidden_act=pick(activations), tie_word_embeddings=pick([True, False]), bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )
    return made, layers


def window(pick, layers):
    return dict(use_sliding_window=pick([True, False]), sliding_window=pick([1, 3, 7]), max_window_layers=pick([0, 1, layers]), **types(pick, layers))


def flags(pick, *names):
    return {name: pick([True, False]) for name in names}


def typed_ropes(pick):
    return pick([{}, dict(rope_parameters=dict(
        full_attention=dict(rope_theta=500.0, **pick([dict(rope_type="default"), dict(rope_type="linear", factor=4.0), dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=8)])),
        sliding_attention=dict(rope_theta=70.0, rope_type="default")))])


def family(name, pick):
    config, layers = common(pick)
    head = dict(head_dim=pick([2, 6, 10, 16]))
    experts = pick([3, 4, 5])
    if name == "llama":
        config.update(rope(pick), **flags(pick, "attention_bias", "mlp_bias"), **pick([{}, head]))
    elif name == "mistral":
        config.update(rope(pick), sliding_window=pick([None, 1, 5, 64]), **pick([{}, head]))
    elif name == "ministral3":
        config.update(head, sliding_window=pick([None, 4]), rope_parameters=dict(
            rope_theta=100.0, llama_4_scaling_beta=pick([0.1, 0.4]), original_max_position_embeddings=pick([4, 9]),
            **pick([dict(rope_type="default"), dict(rope_type="yarn", factor=4.0, mscale=1.0, mscale_all_dim=1.0), dict(rope_type="yarn", factor=2.0)])))
    elif name == "qwen2":
        config.update(rope(pick), **window(pick, layers))
    elif name == "qwen3":
        config.update(rope(pick), **window(pick, layers), **head, **flags(pick, "attention_bias"))
    elif name in ("qwen2_moe", "qwen3_moe"):
        config.update(rope(pick), **window(pick, layers), **router(pick, experts), **flags(pick, "norm_topk_prob"), num_experts=experts,
                      moe_intermediate_size=pick([11, 16]), decoder_sparse_step=pick([1, 1, 2]), mlp_only_layers=pick([[], [0], [1]]))
        config.update(dict(shared_expert_intermediate_size=pick([9, 20]), **flags(pick, "qkv_bias")) if name == "qwen2_moe" else dict(head, **flags(pick, "attention_bias")))
    elif name == "mixtral":
        config.update(rope(pick), **router(pick, experts), num_local_experts=experts, sliding_window=pick([None, 1, 5]), **pick([{}, head]))
    elif name == "gpt_oss":
        config.update(router(pick, experts), num_local_experts=experts, sliding_window=pick([1, 5]), head_dim=pick([2, 6, 16]), **flags(pick, "attention_bias"), **types(pick, layers),
                      **pick([{}, dict(rope_parameters=dict(rope_type="default", rope_theta=99.0)), dict(rope_theta=150.0, rope_scaling=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=8, truncate=False, beta_fast=32.0, beta_slow=1.0))]))
        config.pop("hidden_act")
    elif name == "smollm3":
        config.update(rope(pick), **flags(pick, "attention_bias", "mlp_bias", "use_sliding_window"), sliding_window=pick([2, 5]),
                      **pick([{}, dict(no_rope_layers=[pick([0, 1]) for _ in range(layers)]), dict(no_rope_layer_interval=pick([1, 2, 3]))]))
    elif name in ("gemma2", "gemma3_text"):
        config.pop("hidden_act")
        config.update(head, hidden_activation=pick(activations), query_pre_attn_scalar=pick([5, 16]), attention_bias=pick([True, False]), sliding_window=pick([1, 3, 5]),
                      attn_logit_softcapping=pick([None, 1.5, 50.0]), final_logit_softcapping=pick([None, 2.0, 30.0]), **types(pick, layers))
        if name == "gemma2":
            config.update(rope(pick))
        else:
            config.update(pick([typed_ropes(pick), dict(rope_theta=300.0, rope_local_base_freq=20.0, rope_scaling=pick([None, dict(rope_type="linear", factor=8.0)]))]), **pick([{}, dict(sliding_window_pattern=pick([2, 3]))]))
    elif name == "gemma4_text":
        config.pop("hidden_act")
        config.update(head, global_head_dim=pick([4, 8, 20]), num_global_key_value_heads=pick([None, config["num_key_value_heads"]]), hidden_activation=pick(activations), sliding_window=pick([1, 4]),
                      num_hidden_layers=6, layer_types=pick([None, ["sliding_attention", "full_attention"] * 3, ["sliding_attention"] * 2 + ["full_attention"] + ["sliding_attention"] * 2 + ["full_attention"]]),
                      hidden_size_per_layer_input=pick([0, 5, 8]), vocab_size_per_layer_input=config["vocab_size"], num_kv_shared_layers=pick([0, 2, 3]),
                      final_logit_softcapping=pick([None, 3.0]), **flags(pick, "attention_k_eq_v", "use_double_wide_mlp", "attention_bias"),
                      **pick([{}, dict(enable_moe_block=True, num_experts=experts, top_k_experts=pick([1, 2, experts]), moe_intermediate_size=pick([7, 16]))]))
        if config["layer_types"] is None:
            config.pop("layer_types")
    elif name == "granite":
        config.update(rope(pick), **flags(pick, "attention_bias", "mlp_bias"), embedding_multiplier=pick([1.0, 3.0]), attention_multiplier=pick([1.0, 0.2]), residual_multiplier=pick([1.0, 0.3]), logits_scaling=pick([1.0, 4.0]))
    elif name == "olmo2":
        config.update(rope(pick), **flags(pick, "attention_bias"))
    elif name == "olmo3":
        config.update(pick([{}, typed_ropes(pick)]), **flags(pick, "attention_bias"), sliding_window=pick([1, 4]), **types(pick, layers))
    elif name == "phi3":
        head_dim = config["hidden_size"] // config["num_attention_heads"]
        share = pick([1.0, 0.5])
        half = int(head_dim * share) // 2
        longrope = dict(type=pick(["longrope", "su"]), short_factor=[1.0 + 0.1 * i for i in range(half)], long_factor=[2.0 + i for i in range(half)])
        config.update(partial_rotary_factor=share, original_max_position_embeddings=pick([8, 16]), sliding_window=pick([None, 4]), rope_theta=100.0, rope_scaling=pick([None, longrope]))
    elif name == "starcoder2":
        config.pop("rms_norm_eps")
        config.update(rope(pick), norm_epsilon=pick([1e-5, 1e-2]), use_bias=pick([True, False]), sliding_window=pick([None, 3]))
    elif name == "gpt2":
        config = dict(vocab_size=61, n_positions=pick([32, 64]), n_embd=config["num_attention_heads"] * pick([6, 10]), n_layer=layers, n_head=config["num_attention_heads"], n_inner=pick([None, 33]),
                      activation_function=pick(activations), layer_norm_epsilon=pick([1e-5, 1e-2]), tie_word_embeddings=pick([True, False]), bos_token_id=1, eos_token_id=2,
                      attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
    elif name == "lfm2":
        config.pop("hidden_act"), config.pop("rms_norm_eps")
        config.update(rope(pick), norm_eps=pick([1e-5, 1e-2]), conv_L_cache=pick([1, 2, 3, 5]), block_multiple_of=pick([1, 8]), block_ffn_dim_multiplier=pick([1.0, 1.3]), **flags(pick, "conv_bias", "block_auto_adjust_ff_dim"),
                      **pick([dict(layer_types=[pick(["conv", "full_attention"]) for _ in range(layers - 1)] + ["full_attention"]), dict(full_attn_idxs=[0, layers - 1])]))
    elif name == "qwen3_5_text":
        config.pop("hidden_act")
        keys = pick([1, 2])
        config.update(head_dim=pick([8, 16]), linear_conv_kernel_dim=pick([2, 4]), linear_key_head_dim=pick([4, 6]), linear_value_head_dim=pick([4, 10]), linear_num_key_heads=keys, linear_num_value_heads=keys * pick([1, 2, 3]),
                      attention_bias=pick([True, False]), rope_parameters=dict(rope_type="default", rope_theta=100.0, partial_rotary_factor=pick([0.25, 0.5, 1.0]), mrope_section=[1, 1, 0]),
                      **pick([dict(full_attention_interval=pick([2, 3])), dict(layer_types=[pick(["linear_attention", "full_attention"]) for _ in range(layers - 1)] + ["full_attention"])]))
    return dict(model_type=name, **config)


names = ["llama", "mistral", "ministral3", "qwen2", "qwen3", "qwen2_moe", "qwen3_moe", "mixtral", "gpt_oss", "smollm3", "gemma2", "gemma3_text", "gemma4_text", "granite", "olmo2", "olmo3",
         "phi3", "starcoder2", "gpt2", "lfm2", "qwen3_5_text"]


def fill(model):
    """Numbers in every tensor: gains about one, and no bias that is zero."""
    for name, p in [*model.named_parameters(), *model.named_buffers()]:
        if not p.dtype.is_floating_point or "inv_freq" in name or name.endswith("embed_scale"):
            continue
        if name.endswith("A_log"):
            p.data.uniform_(-1, 1)
        elif p.dim() <= 1 and ("norm" in name or "ln_" in name or "scale" in name or "scalar" in name) and not name.endswith("bias"):
            zero_centred = any(part in type(model).__name__ for part in ("Gemma2", "Gemma3", "Qwen3_5")) and "linear_attn.norm" not in name
            p.data.normal_(0.0 if zero_centred else 1.0, 0.2)
        elif p.dim() <= 1:
            p.data.normal_(0, 0.3)
        else:
            p.data.normal_(0, 0.5 if "embed" in name or "wte" in name else 1.5 / p.shape[-1] ** 0.5)


def record(name, n, pick):
    folder = os.path.join(out, f"{name}-{n}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    config = family(name, pick)
    path = os.path.join(folder, "config.json")
    json.dump(config, open(path, "w"), indent=1)
    made = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(made, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        fill(model)
    model.save_pretrained(folder)
    json.dump(config, open(path, "w"), indent=1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, 60, (2, 23))
    mask = torch.ones_like(ids)
    mask[1, 17:] = 0
    labels = ids.masked_fill(mask == 0, -100)
    labels[0, :4] = -100
    result = model(input_ids=ids, attention_mask=mask, labels=labels)
    result.loss.backward()
    prompt = ids[:1, :9]
    model.generation_config.eos_token_id = None
    # Without a cache: a window of one token is none in that of Transformers.
    tokens = model.generate(prompt, max_new_tokens=12, do_sample=False, pad_token_id=0, use_cache=False)[0, 9:]
    golden = dict(input_ids=ids.int(), attention_mask=mask.int(), labels=labels.int(), logits=result.logits.detach().float(), loss=result.loss.detach().float().reshape(1), greedy=tokens.int().reshape(1, -1))
    assert torch.isfinite(golden["logits"]).all() and torch.isfinite(golden["loss"]).all()
    save_file({key: value.contiguous() for key, value in golden.items()}, os.path.join(folder, "golden.safetensors"))
    with torch.no_grad():
        for p in model.parameters():
            p.data = torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for buffer in model.buffers():
            buffer.data = torch.zeros_like(buffer)
    model.save_pretrained(os.path.join(folder, "gradients"))
    return folder


made, refused = [], []
for name in only or names:
    for n in range(int(count)):
        # Not Python's hash of a string, which differs from process to process.
        draw = random.Random(f"{seed} {name} {n}")
        torch.manual_seed(draw.randrange(2**31))
        for attempt in range(8):
            try:
                made.append(record(name, n, draw.choice))
                break
            except Exception as error:
                folder = os.path.join(out, f"{name}-{n}")
                refused.append([json.load(open(os.path.join(folder, "config.json"))), f"{type(error).__name__}: {str(error)[:200]}"])
                shutil.rmtree(folder)
print(json.dumps(dict(made=made, refused=refused)))
