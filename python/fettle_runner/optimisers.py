"""Optimisers by run.json's names, and what each remembers of a tensor by the names in fettle's checkpoints."""

from __future__ import annotations

from typing import Any

import torch
from transformers.optimization import Adafactor

# fettle's name: PyTorch's. Adafactor's are of rows and columns, the others' of each number.
REMEMBERED = {
    "adamw": {"m": "exp_avg", "v": "exp_avg_sq"},
    "lion": {"m": "exp_avg"},
    "sgd": {"velocity": "momentum_buffer"},
    "adafactor": {"row_squares": "exp_avg_sq_row", "column_squares": "exp_avg_sq_col"},
}


class Lion(torch.optim.Optimizer):
    """p = p (1 - lr λ) - lr sign(β₁ m + (1 - β₁) g), then m = β₂ m + (1 - β₂) g: Chen et al. 2023, https://arxiv.org/abs/2302.06675"""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                gradient = parameter.grad
                m = self.state[parameter].setdefault("exp_avg", torch.zeros_like(parameter))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(group["lr"] * (beta1 * m + (1 - beta1) * gradient).sign())
                m.mul_(beta2).add_(gradient, alpha=1 - beta2)


def create(told: dict[str, Any], groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """What run.json's `optimiser` names; each step sets its learning rate."""
    if told["name"] == "lion":
        return Lion(groups, {"lr": 0.0, "betas": (told["beta1"], told["beta2"])})
    if told["name"] == "sgd":
        rest = {name: told[name] for name in ("momentum", "dampening", "nesterov")}
        return torch.optim.SGD(groups, lr=0.0, **rest)
    if told["name"] == "adafactor":
        return Adafactor(groups, lr=0.0, scale_parameter=False, relative_step=False, warmup_init=False)
    return torch.optim.AdamW(groups, lr=0.0, betas=(told["beta1"], told["beta2"]), eps=told["epsilon"])


def remembered(told: dict[str, Any]) -> dict[str, str]:
    """fettle's and PyTorch's names of what the optimiser remembers."""
    return {} if told["name"] == "sgd" and told["momentum"] == 0 else REMEMBERED[told["name"]]
