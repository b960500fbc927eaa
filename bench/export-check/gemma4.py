"""A small Gemma 4 of random weights whose layers share keys as the published models do, and its logits: python gemma4.py CONFIG FOLDER

CONFIG is a config.json of another order of layers. FOLDER gets the model and logits.json: {"ids", "logits"} behind the last of them.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import Gemma4ForCausalLM, Gemma4TextConfig

raw = json.load(open(sys.argv[1]))
raw |= {"num_hidden_layers": 6, "num_kv_shared_layers": 3, "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2}
torch.manual_seed(1)
model = Gemma4ForCausalLM(Gemma4TextConfig(**raw)).float().eval()
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            parameter.normal_(0, 0.2)
ids = [3, 17, 5, 40, 8, 22, 31, 9, 14, 2, 27, 6]
with torch.no_grad():
    logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
model.save_pretrained(sys.argv[2])
json.dump({"ids": ids, "logits": logits.tolist()}, open(Path(sys.argv[2]) / "logits.json", "w"))
