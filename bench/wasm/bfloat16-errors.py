"""How far PyTorch's bfloat16 is from the values recorded in test/fixtures/models, for bench/run.sh wasm --errors --torch FILE:
    python bench/wasm/bfloat16-errors.py FILE [CASE ...]
Needs torch, transformers and safetensors."""
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import load_file

root = pathlib.Path(__file__).resolve().parents[2] / "test" / "fixtures" / "models"
found = {}
names = sys.argv[2:] or [folder.name for folder in root.iterdir() if (folder / "train.json").exists()]
for path in [root / name for name in sorted(names)]:
    golden = load_file(path / "golden.safetensors")
    config = transformers.AutoConfig.from_pretrained(path)
    options = {"experts_implementation": "eager"} if hasattr(config, "num_experts_per_tok") else {}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.bfloat16, attn_implementation="eager", **options).eval()
    batch = {name: golden[name].long() for name in ("input_ids", "attention_mask", "labels")}
    out = model(**batch, use_cache=False)
    out.loss.backward()
    mask = batch["attention_mask"].bool()
    errors = torch.where(mask[..., None], out.logits.double() - golden["logits"].double(), 0)
    pairs = [(weight.grad.double(), golden[f"grad.{name}"].double())
             for name, weight in model.named_parameters() if f"grad.{name}" in golden and weight.grad is not None]
    each = [((mine - right).norm() / right.norm()).item() for mine, right in pairs]
    total = [sum(part.norm() ** 2 for part in parts).sqrt()
             for parts in ([mine - right for mine, right in pairs], [right for _, right in pairs])]
    found[path.name] = {"rms": errors.pow(2).mean().sqrt().item(), "largest": errors.abs().max().item(),
                        "worst": max(each), "all": (total[0] / total[1]).item()}
    print(path.name, len(each), "gradients", found[path.name])
pathlib.Path(sys.argv[1]).write_text(json.dumps(found))
