"""Adapters of initialisations that change the base's weights, as PEFT 0.21 begins, trains and saves them.

Run:  python test/peft/record_inits.py
Writes ../fixtures/peft/init-<name>/: golden.safetensors with input_ids, the first logits, `base.<weight>` as the initialisation left
it, `A.<module>` and `B.<module>`, losses of 6 steps and the last logits; converted/: what save_pretrained writes with
path_initial_model_for_weight_conversion after them.
LoftQ: PEFT 0.21 asks for a GPU; its function runs here with "cpu" in the place of "cuda", and with bitsandbytes' plain way back from 4
bits: its CPU kernel is wrong where a block of 64 reaches into the next row (0.50.2).
"""

import inspect
import os
import shutil
import sys
import tempfile
import types
from importlib.machinery import ModuleSpec

import bitsandbytes
import peft.tuners.lora.layer as lora_layer
import peft.utils.loftq_utils as loftq_utils
import torch
from peft import LoftQConfig, LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

# PEFT asks for scipy before it begins LoftQ, and does not use it.
scipy = types.ModuleType("scipy")
scipy.__spec__ = ModuleSpec("scipy", None)
sys.modules.setdefault("scipy", scipy)

def dequantize_4bit(codes, state):
    from bitsandbytes.backends.default.ops import _dequantize_4bit_compute

    code = state.code
    return _dequantize_4bit_compute(codes.reshape(-1), state.absmax, code, state.blocksize, state.shape, state.dtype)


bitsandbytes.functional.dequantize_4bit = dequantize_4bit
source = inspect.getsource(loftq_utils.loftq_init).replace('"cuda"', '"cpu"')
scope = vars(loftq_utils)
exec(source, scope)
lora_layer.loftq_init = scope["loftq_init"]

here = os.path.dirname(os.path.abspath(__file__))
fixtures = os.path.join(here, "..", "fixtures")
cases = {
    "pissa": ("llama", dict(init_lora_weights="pissa", target_modules=["q_proj", "down_proj", "k_proj"])),
    "pissa-niter": ("llama", dict(init_lora_weights="pissa_niter_999", target_modules=["q_proj", "down_proj"])),
    "pissa-rslora": ("qwen3", dict(init_lora_weights="pissa", use_rslora=True, target_modules=["v_proj", "up_proj"])),
    "pissa-gpt2": ("gpt2", dict(init_lora_weights="pissa", fan_in_fan_out=True, target_modules=["c_attn", "mlp.c_proj"])),
    "olora": ("llama", dict(init_lora_weights="olora", target_modules=["q_proj", "gate_proj", "down_proj"])),
    "loftq": ("llama", dict(init_lora_weights="loftq", loftq_config=LoftQConfig(loftq_bits=4, loftq_iter=1), target_modules=["q_proj", "v_proj"])),
    "loftq-iter": ("llama", dict(init_lora_weights="loftq", loftq_config=LoftQConfig(loftq_bits=4, loftq_iter=3), target_modules=["o_proj", "up_proj"])),
    "loftq-8": ("llama", dict(init_lora_weights="loftq", loftq_config=LoftQConfig(loftq_bits=8, loftq_iter=2), target_modules=["q_proj", "down_proj"])),
}
only = sys.argv[1:]
for name, (base, options) in cases.items():
    if only and name not in only:
        continue
    torch.manual_seed(0)
    folder = os.path.join(fixtures, "peft", f"init-{name}")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(fixtures, "models", base)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=3, lora_alpha=6, task_type="CAUSAL_LM", **options))
    first = tempfile.mkdtemp()
    model.peft_config["default"].init_lora_weights, kept = True, model.peft_config["default"].init_lora_weights
    model.save_pretrained(first)
    model.peft_config["default"].init_lora_weights = kept
    input_ids = torch.randint(0, 64, (2, 17))
    golden = {"input_ids": input_ids.int(), "first_logits": model(input_ids=input_ids).logits.detach().contiguous()}
    for n, module in model.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            golden[f"base.{n}.weight"] = module.base_layer.weight.detach().clone().contiguous()
            golden[f"A.{n}"] = module.lora_A["default"].weight.detach().clone().contiguous()
            golden[f"B.{n}"] = module.lora_B["default"].weight.detach().clone().contiguous()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.0)
    losses = []
    for _ in range(6):
        loss = model(input_ids=input_ids, labels=input_ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    golden["losses"] = torch.tensor(losses)
    golden["last_logits"] = model(input_ids=input_ids).logits.detach().contiguous()
    save_file(golden, os.path.join(folder, "golden.safetensors"))
    if not name.startswith("loftq"):
        converted = os.path.join(folder, "converted")
        model.save_pretrained(converted, path_initial_model_for_weight_conversion=first)
        os.remove(os.path.join(converted, "README.md"))
        config = os.path.join(converted, "adapter_config.json")
        with open(config) as file:
            text = file.read().replace(path, base)
        with open(config, "w") as file:
            file.write(text)
    shutil.rmtree(first)
    print(name, losses, file=sys.stderr)
