"""Records how transformers' Trainer and PEFT's LoRA+ divide parameters into groups, and six steps of LoRA+.

Run:  python test/train/record_groups.py > test/fixtures/peft/groups.json
"""

import json
import os
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, Trainer

models = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "models")
load = lambda name: AutoModelForCausalLM.from_pretrained(os.path.join(models, name), dtype=torch.float32)
clean = lambda name: (name.replace(".modules_to_save.default", "").replace(".lora_magnitude_vector.default.weight", ".lora_magnitude_vector")
                      .replace(".default", ""))
record = {"trainer": {}, "adapters": [], "steps": {}}
for name in sorted(os.listdir(models)):
    if not os.path.exists(os.path.join(models, name, "model.safetensors")):
        continue
    try:
        model = load(name)
    except Exception as error:
        print(name, error, file=sys.stderr)
        continue
    decayed = set(Trainer.get_decay_parameter_names(None, model))
    record["trainer"][name] = sorted(n for n, _ in model.named_parameters() if n not in decayed)
options = [
    ("llama", dict(target_modules="all-linear")),
    ("llama", dict(target_modules=["q_proj"], modules_to_save=["lm_head", "norm"])),
    ("qwen2", dict(target_modules=["q_proj", "v_proj"], bias="all", use_dora=True)),
    ("gpt2", dict(target_modules=["c_attn"], modules_to_save=["ln_f"], fan_in_fan_out=True)),
    ("llama", dict(target_modules=["q_proj"], trainable_token_indices=[1, 2])),
    ("llama", dict(target_modules=["q_proj", "embed_tokens", "lm_head"])),
]
for name, given in options:
    model = get_peft_model(load(name), LoraConfig(r=2, task_type="CAUSAL_LM", **given))
    decayed = set(Trainer.get_decay_parameter_names(None, model))
    optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=16.0, loraplus_weight_decay=0.01)
    groups = {id(p): [g["lr"], g["weight_decay"]] for g in optimizer.param_groups for p in g["params"]}
    parameters = {clean(n): [n in decayed, *groups[id(p)]] for n, p in model.named_parameters() if p.requires_grad}
    record["adapters"].append({"base": name, "options": given, "parameters": parameters})
path = os.path.join(models, "llama")
model = PeftModel.from_pretrained(load("llama"), os.path.join(path, "lora_init"), is_trainable=True)
model.eval()
tensors = load_file(os.path.join(path, "golden.safetensors"))
batch = {key: tensors[key].long() for key in ("input_ids", "attention_mask", "labels")}
optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=16.0, loraplus_weight_decay=0.01)
losses = []
for _ in range(6):
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
record["steps"] = losses
json.dump(record, sys.stdout, indent=1)
