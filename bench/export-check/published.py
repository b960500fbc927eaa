"""A small model of random weights in a shape that published models have, and its logits: python published.py CONFIG CHANGES FOLDER

CONFIG is the config.json of a recorded model that no published one is like, CHANGES are keys to change. FOLDER gets the model and logits.json:
{"ids", "logits"} behind the last of them.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

raw = json.load(open(sys.argv[1])) | json.loads(sys.argv[2])
torch.manual_seed(1)
model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**raw), dtype=torch.float32).eval()
ids = [3, 17, 5, 40, 8, 22, 31, 9, 14, 2, 27, 6]
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            parameter.normal_(0, 0.2)
    logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
model.save_pretrained(sys.argv[3])
json.dump({"ids": ids, "logits": logits.tolist()}, open(Path(sys.argv[3]) / "logits.json", "w"))
