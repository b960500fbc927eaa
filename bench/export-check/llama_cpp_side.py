"""Logits and greedy tokens that llama.cpp makes of GGUF files: python llama_cpp_side.py IDS OUT MODEL [LORA]"""
import json
import sys

import numpy as np
from llama_cpp import Llama

ids = json.load(open(sys.argv[1]))
model = Llama(sys.argv[3], lora_path=sys.argv[4] if len(sys.argv) > 4 else None, logits_all=True, type_k=0, type_v=0, verbose=False, n_ctx=512, n_threads=2)
out = []
for prompt in ids["prompts"]:
    model.reset()
    model.eval(prompt)
    scores = model.scores[: len(prompt)].copy()
    greedy = []
    token = int(scores[-1].argmax())
    for _ in range(ids["tokens"]):
        if token in ids["stop"]:
            break
        greedy.append(token)
        model.eval([token])
        token = int(model.scores[model.n_tokens - 1].argmax())
    out.append({"logits": scores[-1].tolist(), "greedy": greedy, "end": token})
tokens = [model.tokenize(text.encode(), add_bos=False, special=True) for text in ids["texts"]]
json.dump({"rows": out, "tokens": tokens}, open(sys.argv[2], "w"))
