"""Records three steps of PyTorch's, transformers' and bitsandbytes' optimisers on the same parameters and gradients.

bitsandbytes runs on its CPU backend. Its fast CPU quantiser rounds what is near zero to a neighbour of the nearest code (bucket search);
here the nearest code is taken in its place, as bitsandbytes' default backend and its GPU kernel take it.

Run:  python test/train/record_optimisers.py test/fixtures/optimisers/steps.safetensors
"""

import sys

import bitsandbytes as bnb
import bitsandbytes.backends.cpu.ops as cpu
import torch
from safetensors.torch import save_file
from transformers.optimization import Adafactor


def quantize(A, code, absmax_out, out, blocksize):
    flat, parts, scales = A.reshape(-1), [], []
    bounds = (code[:-1] + code[1:]) / 2
    for start in range(0, A.numel(), blocksize):
        block = flat[start:start + blocksize]
        scale = block.abs().max()
        parts.append(torch.bucketize(block * (1.0 / scale.clamp(min=1e-38)), bounds))
        scales.append(scale)
    out.copy_(torch.cat(parts).to(torch.uint8).reshape(out.shape))
    absmax_out.copy_(torch.stack(scales))


cpu._quant_blockwise_fp32_direct = quantize
torch.manual_seed(5)
shapes = {"wide": (6, 10), "tall": (12, 5), "large": (64, 66), "table": (8, 5), "vector": (10,)}
initial = {name: torch.randn(shape) * 0.1 for name, shape in shapes.items()}
gradients = [{name: torch.randn(shape) * 0.3 for name, shape in shapes.items()} for _ in range(3)]
rates = [1e-2, 5e-3, 2e-2]
record = {f"initial.{name}": value for name, value in initial.items()}
for i, step in enumerate(gradients):
    record.update({f"gradient.{i}.{name}": value for name, value in step.items()})


def run(name, make):
    parameters = {key: torch.nn.Parameter(value.clone()) for key, value in initial.items()}
    groups = [
        {"params": [p for key, p in parameters.items() if key != "vector"], "weight_decay": 0.1},
        {"params": [parameters["vector"]], "weight_decay": 0.0},
    ]
    optimisers = make(groups, parameters)
    for step, rate in zip(gradients, rates):
        for key, parameter in parameters.items():
            parameter.grad = step[key].clone()
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
    record.update({f"{name}.{key}": p.detach().clone() for key, p in parameters.items()})


def in_eight_bits(kind, **options):
    def make(groups, parameters):
        optimiser = kind(groups, lr=1e-2, optim_bits=8, **options)
        return [optimiser]
    return make


def muon(**options):
    def make(groups, parameters):
        hidden = [parameters[key] for key in ("wide", "tall", "large")]
        return [
            torch.optim.Muon(hidden, lr=1e-2, weight_decay=0.1, **options),
            torch.optim.AdamW([
                {"params": [parameters["table"]], "weight_decay": 0.1},
                {"params": [parameters["vector"]], "weight_decay": 0.0},
            ], lr=1e-2),
        ]
    return make


run("adamw", lambda groups, _: [torch.optim.AdamW(groups, lr=1e-2)])
run("sgd", lambda groups, _: [torch.optim.SGD(groups, lr=1e-2)])
run("sgd_momentum", lambda groups, _: [torch.optim.SGD(groups, lr=1e-2, momentum=0.9, dampening=0.1)])
run("sgd_nesterov", lambda groups, _: [torch.optim.SGD(groups, lr=1e-2, momentum=0.9, nesterov=True)])
run("adafactor", lambda groups, _: [Adafactor(groups, lr=1e-2, scale_parameter=False, relative_step=False)])
run("lion", lambda groups, _: [bnb.optim.Lion(groups, lr=1e-2, betas=(0.9, 0.999), optim_bits=32)])
run("adamw_8bit", in_eight_bits(bnb.optim.AdamW))
run("lion_8bit", in_eight_bits(bnb.optim.Lion, betas=(0.9, 0.999)))
run("muon", muon(adjust_lr_fn="match_rms_adamw"))
run("muon_original", muon(momentum=0.9, nesterov=False))
record["map.signed"] = bnb.functional.create_dynamic_map(signed=True)
record["map.unsigned"] = bnb.functional.create_dynamic_map(signed=False)
save_file(record, sys.argv[1])
