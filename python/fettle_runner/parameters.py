"""The trained tensors as the one float32 vector that fettle's checkpoints hold, and AdamW's two moments in the same order."""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from torch.distributed.tensor import DTensor, distribute_tensor

from .errors import RunnerError


class Parameters:
    """
    By run.json's `parameters`: each tensor of the adapter's file is `rows` of `columns` numbers in that vector, `stride` apart.
    To be made before the model is sharded: names stay, tensors do not.
    """

    def __init__(self, model: PeftModel, listed: list[dict[str, Any]], size: int) -> None:
        self.model, self.listed, self.size = model, listed, size
        names = {parameter.data_ptr(): name for name, parameter in model.named_parameters() if parameter.requires_grad}
        in_file = get_peft_model_state_dict(model)
        self.names = {file: names[tensor.data_ptr()] for file, tensor in in_file.items() if tensor.data_ptr() in names}
        missing = [entry["name"] for entry in listed if entry["name"] not in self.names]
        if missing or len(self.names) != len({entry["name"] for entry in listed}):
            raise RunnerError("adapter_init", f"{len(self.names)} trained tensors in PEFT, without {missing[:3]}",
                              f"the {len(listed)} of run.json", "Check peft's version: pip install -U peft")

    def optimiser(self, options: dict[str, Any]) -> torch.optim.AdamW:
        """AdamW, with weight decay and a multiple of the learning rate for each tensor."""
        live = dict(self.model.named_parameters())
        groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
        for entry in self.listed:
            groups.setdefault((entry["weight_decay"], entry["learning_rate_factor"]), []).append(
                live[self.names[entry["name"]]])
        return torch.optim.AdamW(
            [{"params": params, "weight_decay": decay, "factor": factor} for (decay, factor), params in groups.items()],
            lr=0.0, betas=(options["beta1"], options["beta2"]), eps=options["epsilon"])

    def read(self, optimiser: torch.optim.AdamW) -> dict[str, torch.Tensor]:
        """[size] parameters, m and v. Every rank must call it where the model is sharded."""
        flat = {name: torch.zeros(self.size) for name in ("parameters", "m", "v")}
        for entry, parameter in self._live():
            state = optimiser.state.get(parameter, {})
            for name, tensor in (("parameters", parameter), ("m", state.get("exp_avg")), ("v", state.get("exp_avg_sq"))):
                if tensor is not None:
                    _view(flat[name], entry).copy_(_whole(tensor).reshape(entry["rows"], entry["columns"]))
        return flat

    def write(self, optimiser: torch.optim.AdamW, flat: dict[str, torch.Tensor], step: int) -> None:
        for entry, parameter in self._live():
            values = {name: _view(each, entry).reshape(parameter.shape) for name, each in flat.items()}
            with torch.no_grad():
                parameter.copy_(_like(values["parameters"], parameter))
            if step > 0:
                optimiser.state[parameter] = {"step": torch.tensor(float(step)),
                                              "exp_avg": _like(values["m"], parameter).clone(),
                                              "exp_avg_sq": _like(values["v"], parameter).clone()}

    def files(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """The tensors by their names in adapter_model.safetensors."""
        return {entry["name"]: _view(flat, entry).reshape(entry["shape"]).contiguous() for entry in self.listed}

    def _live(self) -> list[tuple[dict[str, Any], torch.nn.Parameter]]:
        live = dict(self.model.named_parameters())
        return [(entry, live[self.names[entry["name"]]]) for entry in self.listed]


def _view(flat: torch.Tensor, entry: dict[str, Any]) -> torch.Tensor:
    return flat.as_strided((entry["rows"], entry["columns"]), (entry["stride"], 1), entry["start"])


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().float().cpu()


def _like(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    moved = values.to(like.device)
    return distribute_tensor(moved, like.device_mesh, like.placements) if isinstance(like, DTensor) else moved
