"""Records which modules PEFT 0.21 adapts, with which rank and scaling, for options that decide it.

Run:  python test/peft/record_matching.py > test/fixtures/peft/matching.json
"""

import json
import os
import sys

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

models = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "models")
qv = ["q_proj", "v_proj"]
options = [
    ("llama", dict(target_modules=qv)),
    ("llama", dict(target_modules="all-linear")),
    ("llama", dict(target_modules="all-linear", exclude_modules=["down_proj", "model.layers.0.self_attn.q_proj"])),
    ("llama", dict(target_modules="all-linear", exclude_modules=r".*\.1\..*")),
    ("llama", dict(target_modules="all-linear", exclude_modules=r"down_proj")),
    ("llama", dict(target_modules="all-linear", exclude_modules=["self_attn"])),
    ("llama", dict(target_modules=qv, exclude_modules=["proj"])),
    ("llama", dict(target_modules=r".*\.(up|down)_proj")),
    ("llama", dict(target_modules=r"layers\.0.*")),
    ("llama", dict(target_modules=[*qv, "lm_head"])),
    ("llama", dict(target_modules=[*qv, "lm_head", "embed_tokens"], exclude_modules=["lm_head"])),
    ("llama", dict(target_modules=r".*(q_proj|lm_head|embed_tokens)")),
    ("llama", dict(target_modules=["model.layers.0.self_attn.q_proj", "v_proj"], layers_to_transform=[1])),
    ("llama", dict(target_modules=qv, layers_to_transform=1)),
    ("llama", dict(target_modules=qv, layers_to_transform=[0, 1], layers_pattern="layers")),
    ("llama", dict(target_modules=qv, layers_to_transform=[0], layers_pattern=["h", "layers"])),
    ("llama", dict(target_modules=qv, layers_to_transform=[0], layers_pattern=[r"lay\w+"])),
    ("llama", dict(target_modules=qv, layers_to_transform=[0], layers_pattern="model.layers")),
    ("llama", dict(target_modules=["q_proj", "lm_head"], layers_to_transform=[0])),
    ("llama", dict(target_modules=[*qv, "o_proj"], modules_to_save=["self_attn.q_proj"])),
    ("llama", dict(target_modules=[*qv, "down_proj"], modules_to_save=["mlp"])),
    ("llama", dict(target_modules=qv, rank_pattern={"q_proj": 3, "layers.0.self_attn.q_proj": 5}, alpha_pattern={"v_proj": 7})),
    ("llama", dict(target_modules=qv, rank_pattern={"layers.0.self_attn.q_proj": 5, "q_proj": 3})),
    ("llama", dict(target_modules=qv, rank_pattern={r".*\.1\..*": 6}, alpha_pattern={"^model.layers.0.*": 1})),
    ("llama", dict(target_modules=qv, rank_pattern={"q_proj|v_proj": 6}, alpha_pattern={"proj": 1})),
    ("llama", dict(target_modules=qv, rank_pattern={"q": 6, r"[qk]_proj": 2}, use_rslora=True)),
    ("gpt2", dict(target_modules=["c_attn"], layers_to_transform=[1], layers_pattern="h")),
    ("gpt2", dict(target_modules=["c_attn", "c_proj"], layers_to_transform=[0])),
    ("gpt2", dict(target_modules=["c_attn"], layers_to_transform=[0], layers_pattern="layers")),
    ("gpt2", dict(target_modules=["mlp.c_proj"], alpha_pattern={"c_proj": 2.5})),
    ("gpt2", dict(target_modules="all-linear", exclude_modules=["attn.c_proj"])),
]
cases = []
for name, given in options:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(os.path.join(models, name)))
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    modules = dict(model.named_modules())
    linear = [n for n, m in modules.items() if isinstance(m, (torch.nn.Linear, Conv1D)) and m is not head]
    tables = [n for n, m in modules.items() if m is head or m is table]
    case = {"base": name, "options": given, "linear": linear, "tables": tables, "error": None, "matched": {}}
    try:
        adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **given))
        for n, m in adapted.base_model.model.named_modules():
            if isinstance(m, LoraLayer):
                case["matched"][n] = [m.r["default"], m.scaling["default"]]
    except ValueError as error:
        case["error"] = str(error)[:80]
    cases.append(case)
    print(name, given, case["error"] or len(case["matched"]), file=sys.stderr)
json.dump(cases, sys.stdout, indent=None, separators=(",", ":"))
