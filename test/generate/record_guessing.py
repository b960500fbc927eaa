"""Records what Transformers generates from the fixture models while it guesses by prompt lookup or has an assistant.

Run:  python test/generate/record_guessing.py > test/fixtures/generate/guessing.json
Made with transformers 5.23.0, torch 2.15.0 (float32, CPU).
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM

models = pathlib.Path(__file__).parents[1] / "fixtures" / "models"
prompts = [
    [5, 17, 42, 9, 77, 5, 17, 42],
    [3, 4, 3, 4, 3, 4],
    [90, 11, 60, 33, 90, 11, 8, 60, 33, 90, 11],
]
options = [{}, {"repetition_penalty": 1.2}]
# Models of the same vocabulary; they hardly agree, being random.
assistants = {"llama": "qwen3", "qwen3": "llama"}

cases = []
for name in ["llama", "llama-tied-rope3", "mistral", "qwen2", "qwen3"]:
    model = AutoModelForCausalLM.from_pretrained(models / name, dtype=torch.float32)
    guessing = [{"prompt_lookup_num_tokens": 5}]
    if name in assistants:
        assistant = AutoModelForCausalLM.from_pretrained(models / assistants[name], dtype=torch.float32)
        guessing.append({"assistant_model": assistant, "num_assistant_tokens": 3})
    for prompt in prompts:
        for option in options:
            ids = torch.tensor([prompt])
            for guess in guessing:
                output = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=False,
                    max_new_tokens=32,
                    eos_token_id=None,
                    pad_token_id=0,
                    **guess,
                    **option,
                )
                cases.append(
                    {
                        "model": name,
                        "assistant": assistants[name] if "assistant_model" in guess else None,
                        "prompt": prompt,
                        "options": option,
                        "tokens": output[0, len(prompt) :].tolist(),
                    }
                )

json.dump({"cases": cases}, sys.stdout, separators=(",", ":"))
