"""The same optimiser steps by PEFT in float32: python train_peft.py MODEL ROWS.json INITIAL_ADAPTER FETTLE_ADAPTER SAVED OPTIONS.json

Every document attends to itself only: an explicit mask [1, 1, n, n], one for each type of layers where some see a window, and
positions that restart. PEFT saves its adapter to SAVED. Transformers shifts the
labels, torch clips and steps, transformers makes the schedule. Prints a JSON line with each step's loss, gradient norm
and learning rate, and how far the adapter is from fettle's at the end.
"""
import json, sys
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, get_scheduler

model_path, rows_path, initial, fettle, saved, options = sys.argv[1:7]
options = json.loads(options)
torch.manual_seed(0)
base = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32, attn_implementation="sdpa")
model = PeftModel.from_pretrained(base, initial, is_trainable=True)
trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
optimiser = torch.optim.AdamW([p for _, p in trained], lr=options["learningRate"], weight_decay=options["weightDecay"])
scheduler = get_scheduler(options["lrSchedulerType"], optimiser, options["warmupSteps"], options["maxSteps"])
types = getattr(base.config, "layer_types", None) or []
window = getattr(base.config, "sliding_window", None)


def masks(documents):
    places = torch.arange(len(documents))
    apart = places[:, None] - places[None, :]
    full = (documents[:, None] == documents[None, :]) & (apart >= 0)
    number = lambda sees: torch.zeros(1, 1, *sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min)
    near = number(full & (apart < window)) if window else None
    if "sliding_attention" in types:
        return {"full_attention": number(full), "sliding_attention": near}
    return number(full) if types or near is None else near


steps = []
for row in json.load(open(rows_path)):
    mask = masks(torch.tensor(row["document_ids"]))
    out = model(input_ids=torch.tensor([row["input_ids"]]), position_ids=torch.tensor([row["position_ids"]]), attention_mask=mask,
                labels=torch.tensor([row["labels"]]), num_items_in_batch=torch.tensor(row["learned_tokens"]), use_cache=False)
    out.loss.backward()
    norm = torch.nn.utils.clip_grad_norm_([p for _, p in trained], options["maxGradNorm"])
    steps.append({"loss": float(out.loss.detach()), "grad_norm": float(norm), "learning_rate": scheduler.get_last_lr()[0]})
    optimiser.step()
    scheduler.step()
    optimiser.zero_grad()
    print(f"PEFT step {len(steps)}: loss {steps[-1]['loss']:.6f}", file=sys.stderr)

model.save_pretrained(saved)
start, ours = load_file(f"{initial}/adapter_model.safetensors"), load_file(f"{fettle}/adapter_model.safetensors")
theirs = {name.replace(".default.", "."): p.detach() for name, p in trained}
assert set(theirs) == set(ours), "the adapters have different tensors"
moved = torch.cat([(theirs[k] - start[k]).flatten() for k in ours])
apart = torch.cat([(theirs[k] - ours[k]).flatten() for k in ours])
print(json.dumps({"steps": steps, "tensors": len(ours), "max_difference": float(apart.abs().max()), "max_movement": float(moved.abs().max()),
                  "relative_difference": float(apart.norm() / moved.norm())}))
