"""Records what Transformers generates greedily from assets/tiny-llama, each time with other generation options.

Run:  python test/generate/record_generation.py > test/fixtures/generate/generation.json
Made with transformers 5.24.0, torch 2.15.0 (float32, CPU).
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "assets", "tiny-llama")
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(folder)
prompts = ["In the middle of winter", "Rosa", "The town beside the sea had a lighthouse, and the keeper"]
base = {}
for prompt in prompts:
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    base[prompt] = model.generate(ids, max_new_tokens=24, do_sample=False)[0, ids.shape[1] :].tolist()
first = base[prompts[0]]
text = tokenizer.decode(first)
options = [
    {"max_new_tokens": 24},
    {"max_length": 20},
    {"max_length": 20, "max_new_tokens": 4},
    {"max_new_tokens": 24, "no_repeat_ngram_size": 2},
    {"max_new_tokens": 24, "no_repeat_ngram_size": 1},
    {"max_new_tokens": 24, "suppress_tokens": sorted(set(first[:6]))},
    {"max_new_tokens": 24, "begin_suppress_tokens": [tokens[0] for tokens in base.values()]},
    {"max_new_tokens": 24, "bad_words_ids": [first[1:4], [first[5]]]},
    {"max_new_tokens": 12, "eos_token_id": first[2:4], "min_new_tokens": 6},
    {"max_new_tokens": 12, "eos_token_id": first[2:4], "min_length": 12},
    {"max_new_tokens": 8, "forced_eos_token_id": 2},
    # Strings that begin and end inside of tokens, or are several tokens.
    {"max_new_tokens": 24, "stop_strings": [text[9:13]]},
    {"max_new_tokens": 24, "stop_strings": text[20:31]},
    {"max_new_tokens": 24, "stop_strings": ["e", "zzz"]},
    {"max_new_tokens": 24, "repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "stop_strings": ["."]},
]
cases = []
for prompt in prompts:
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    for option in options:
        if option.get("max_length", 99) <= ids.shape[1]:
            continue
        out = model.generate(ids, do_sample=False, tokenizer=tokenizer, **option)
        new = out[0, ids.shape[1] :].tolist()
        cases.append({"options": option, "prompt": ids[0].tolist(), "tokens": new, "text": tokenizer.decode(new)})
json.dump(cases, sys.stdout, separators=(",", ":"))
