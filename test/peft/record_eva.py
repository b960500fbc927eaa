"""Adapters that PEFT 0.21 begins by EVA, on the models of test/fixtures/models.

Run:  python test/peft/record_eva.py
Writes ../fixtures/peft/eva-<name>/: adapter_config.json as PEFT saves it, and golden.safetensors with the batches (input_ids.N,
attention_mask.N, labels.N), `A.<module>` and the losses of 3 steps on the first batch.
`exact`: PEFT's randomised decomposition is replaced by the exact one, which it comes near to. Without it the sides are so short that
the randomised one is exact, too. Modules that read the same have equal shares; which of them come first is left open by PEFT's argsort, which
is made stable here. With `whiten` PEFT divides the directions of an input once for each module that reads it, in place: no two read the same there.
"""

import json
import os
import sys

import peft.utils.incremental_pca as pca
import torch
from peft import EvaConfig, LoraConfig, get_peft_model, initialize_lora_eva_weights
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

here = os.path.dirname(os.path.abspath(__file__))
fixtures = os.path.join(here, "..", "fixtures")
attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
cases = {
    "as-it-is": ("llama", False, dict(r=12, target_modules=[*attention, "gate_proj"]), dict(tau=0.9)),
    "all-linear": ("llama", True, dict(r=4, target_modules="all-linear"), dict(rho=2.5, tau=0.95)),
    "whiten": ("qwen3", True, dict(r=3, use_rslora=True, target_modules=["q_proj", "o_proj", "down_proj"]), dict(rho=1.5, tau=0.9, whiten=True, use_label_mask=False, adjust_scaling_factors=False)),
    "patterns": ("gemma3", True, dict(r=3, rank_pattern={"q_proj": 5, r"layers\.1\..*": 2}, alpha_pattern={"o_proj": 10}, target_modules=[*attention, "up_proj"]), dict(tau=0.9)),
    "no-redistribution": ("gpt2", True, dict(r=3, fan_in_fan_out=True, target_modules=["c_attn", "mlp.c_proj"]), dict(rho=1.0, tau=0.9)),
}
argsort = torch.Tensor.argsort
torch.Tensor.argsort = lambda *args, **options: argsort(*args, stable=True, **options)
randomised = pca.IncrementalPCA._svd_fn_lowrank


def batches():
    made = []
    for n in range(5):
        input_ids = torch.randint(0, 128, (4, 24 + n))
        mask = torch.ones_like(input_ids)
        mask[1, 20:] = 0
        labels = input_ids.masked_fill(mask == 0, -100)
        labels[0, :5] = -100
        labels[2, 7:10] = -100
        made.append(dict(input_ids=input_ids, attention_mask=mask, labels=labels))
    return made


only = sys.argv[1:]
for name, (base, exact, options, eva) in cases.items():
    if only and name not in only:
        continue
    pca.IncrementalPCA._svd_fn_lowrank = pca.IncrementalPCA._svd_fn_full if exact else randomised
    torch.manual_seed(0)
    folder = os.path.join(fixtures, "peft", f"eva-{name}")
    os.makedirs(folder, exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(os.path.join(fixtures, "models", base), dtype=torch.float32)
    config = LoraConfig(lora_alpha=6, task_type="CAUSAL_LM", init_lora_weights="eva", eva_config=EvaConfig(**eva), **options)
    model = get_peft_model(model, config)
    data = batches()
    initialize_lora_eva_weights(model, data, show_progress_bar=False)
    golden = {f"{key}.{n}": value.int().contiguous() for n, batch in enumerate(data) for key, value in batch.items()}
    for n, module in model.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            golden[f"A.{n}"] = module.lora_A["default"].weight.detach().clone().contiguous()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.0)
    losses = []
    for _ in range(3):
        loss = model(**data[0]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    golden["losses"] = torch.tensor(losses)
    save_file(golden, os.path.join(folder, "golden.safetensors"))
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "adapter_model.safetensors"))
    readme = os.path.join(folder, "README.md")
    if os.path.exists(readme):
        os.remove(readme)
    saved = json.load(open(os.path.join(folder, "adapter_config.json")))
    print(name, {key: saved[key] for key in ("target_modules", "rank_pattern", "alpha_pattern", "eva_config")})
