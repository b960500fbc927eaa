"""Logits of a fettle-trained adapter in PEFT: python compare_logits.py MODEL ADAPTER DOCUMENTS.json FLOAT32.bin BFLOAT16.bin

The two files hold fettle's logits of all documents, end to end, as float32. PEFT in float32 is taken as the truth; what
PEFT itself loses in bfloat16 is the measure for what fettle may lose there. Prints a JSON line.
"""
import json, sys
import numpy, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

model_path, adapter, documents, float32_path, bfloat16_path = sys.argv[1:6]
documents = json.load(open(documents))


def peft_logits(dtype):
    base = AutoModelForCausalLM.from_pretrained(model_path, dtype=dtype)
    model = PeftModel.from_pretrained(base, adapter).eval()
    with torch.no_grad():
        return torch.cat([model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float() for ids in documents])


truth = peft_logits(torch.float32)


def against_truth(logits):
    error = (logits - truth).double()
    return {"max_error": float(error.abs().max()), "rms_error": float(error.pow(2).mean().sqrt()),
            "same_best_token": float((logits.argmax(-1) == truth.argmax(-1)).double().mean())}


def fettle_logits(path):
    return torch.from_numpy(numpy.fromfile(path, dtype=numpy.float32)).view(truth.shape)


print(json.dumps({"positions": truth.shape[0], "rms_logit": float(truth.double().pow(2).mean().sqrt()),
                  "fettle_float32": against_truth(fettle_logits(float32_path)),
                  "fettle_bfloat16": against_truth(fettle_logits(bfloat16_path)),
                  "peft_bfloat16": against_truth(peft_logits(torch.bfloat16))}))
