"""Records which tokens Hugging Face's logits processors leave, in the order of its generate, and what they make of their probabilities.

Run:  python test/generate/record_rules.py > test/fixtures/generate/rules.json
Made with transformers 5.24.0, torch 2.15.0 (float32, CPU).
"""

import json
import sys

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

torch.manual_seed(1)
model = LlamaForCausalLM(
    LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
)
vocabulary = 40
logits = [round(value * 1024) / 1024 for value in (3 * torch.randn(vocabulary)).tolist()]
eos = [2, 7]
# Prompt and answer, the prompt's length, and the longest length.
sequences = {
    "one token": ([5], 1, 30),
    "prompt only": ([5, 9, 3, 5, 9], 5, 30),
    "first token": ([5, 9, 3, 5, 9, 11], 5, 30),
    "repeats": ([1, 4, 1, 4, 1, 8, 1, 4], 3, 30),
    "third token": ([20, 21, 22, 20, 21], 2, 30),
    "last token": ([5, 9, 3, 5, 9, 11, 12], 5, 8),
    "last but one": ([5, 9, 3, 5, 9, 11], 5, 8),
}
options = [
    {"min_new_tokens": 1},
    {"min_new_tokens": 3},
    {"min_length": 6},
    {"min_length": 7, "min_new_tokens": 1},
    {"suppress_tokens": [0, 2, 39]},
    {"begin_suppress_tokens": [1, 2, 3]},
    {"begin_suppress_tokens": [1, 2, 3], "forced_bos_token_id": 6},
    {"forced_bos_token_id": 6},
    {"forced_eos_token_id": 7},
    {"forced_eos_token_id": [7, 2]},
    {"forced_eos_token_id": 7, "min_new_tokens": 1, "suppress_tokens": [1]},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"bad_words_ids": [[30], [9, 11], [4, 1], [22, 20, 21, 33], [2]]},
    {"bad_words_ids": [[5, 9], [20, 21, 22], [5, 9, 3, 5, 9, 17], [5, 14]]},
    {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "suppress_tokens": [9], "top_k": 5, "temperature": 0.8},
    {"min_new_tokens": 9, "top_k": 4, "top_p": 0.9},
    {"suppress_tokens": list(range(10, 40)), "top_k": 3, "min_p": 0.05},
]
cases = []
for name, (tokens, prompt, longest) in sequences.items():
    for option in options:
        config = GenerationConfig(do_sample=True, eos_token_id=eos, max_length=longest, **option)
        config._eos_token_tensor = torch.tensor(eos)
        if config.top_k is None:
            config.top_k = 0
        processors = model._get_logits_processor(config, input_ids_seq_length=prompt, device="cpu")
        scores = processors(torch.tensor([tokens]), torch.tensor([logits], dtype=torch.float32))[0]
        probabilities = scores.softmax(-1)
        kept = torch.isfinite(scores).nonzero().flatten().tolist()
        cases.append(
            {
                "sequence": name,
                "options": {"top_k": 0, **option},
                "kept": kept,
                "probabilities": [float(f"{probabilities[i]:.7g}") for i in kept],
            }
        )

sequences = {
    name: {"tokens": tokens, "promptLength": prompt, "room": longest - len(tokens)}
    for name, (tokens, prompt, longest) in sequences.items()
}
json.dump({"logits": logits, "eos": eos, "sequences": sequences, "cases": cases}, sys.stdout, separators=(",", ":"))
