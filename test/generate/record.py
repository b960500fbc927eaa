"""Records what Hugging Face's logits processors make of given logits, in the order of its generate.

Run:  python test/generate/record.py > test/fixtures/generate/processors.json
Made with transformers 5.23.0, torch 2.15.0 (float32, CPU).
"""

import json
import sys

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)

# The smallest model there is: only its method that puts the processors into order is used.
model = LlamaForCausalLM(
    LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
)


def distinct(count, spread):
    """Normally distributed logits, all different, as multiples of 1/1024: exact in float32 and short in JSON."""
    values = set()
    while len(values) < count:
        values.add(round(torch.randn(1).item() * spread * 1024) / 1024)
    return [list(values)[i] for i in torch.randperm(count).tolist()]


logits = {
    "peaked": distinct(200, 4),
    "flat": distinct(200, 0.3),
    "ties": [1.5, 3.0, 3.0, -2.0, 3.0, 0.0, 1.5, -1.0, 3.0, 0.0, 1.5, -4.0],
    "wide": distinct(3000, 6),
}
seen = {"peaked": [3, 3, 17, 199, 0], "flat": list(range(0, 200, 3)), "ties": [1, 4, 3, 5], "wide": list(range(40))}

options = [
    {},
    {"temperature": 0.7},
    {"temperature": 1.9, "top_k": 0},
    {"top_k": 1},
    {"top_k": 5},
    {"top_k": 7, "temperature": 0.3},
    {"top_k": 0, "top_p": 0.9},
    {"top_k": 0, "top_p": 0.3},
    {"top_k": 0, "top_p": 0.0},
    {"top_k": 0, "top_p": 1.0},
    {"top_k": 20, "top_p": 0.8, "temperature": 1.3},
    {"top_k": 0, "min_p": 0.1},
    {"top_k": 0, "min_p": 1.0},
    {"top_k": 0, "top_p": 0.95, "min_p": 0.02, "temperature": 1.5},
    {"repetition_penalty": 1.3, "top_k": 0},
    {"repetition_penalty": 0.8, "top_k": 10, "top_p": 0.7},
    {"repetition_penalty": 1.1, "temperature": 0.6, "top_k": 40, "top_p": 0.95, "min_p": 0.05},
]

cases = []
for name, values in logits.items():
    for option in options:
        if name == "ties" and "top_p" in option:
            continue  # torch's sort is not stable: which of equal tokens top-p drops differs between machines.
        config = GenerationConfig(do_sample=True, **option)
        # generate fills in its own defaults (top_k 50) where the caller says nothing.
        for key, value in GenerationConfig._get_default_generation_params().items():
            if getattr(config, key, None) is None:
                setattr(config, key, value)
        processors = model._get_logits_processor(config, input_ids_seq_length=len(seen[name]), device="cpu")
        scores = processors(torch.tensor([seen[name]]), torch.tensor([values], dtype=torch.float32))[0]
        probabilities = scores.softmax(-1)
        kept = torch.isfinite(scores).nonzero().flatten().tolist()
        cases.append(
            {
                "logits": name,
                "options": option,
                "kept": kept if len(kept) < len(values) else "all",
                "probabilities": [float(f"{probabilities[i]:.7g}") for i in kept[:50]],
            }
        )

json.dump({"logits": logits, "seen": seen, "cases": cases}, sys.stdout, separators=(",", ":"))
