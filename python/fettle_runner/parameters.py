"""The trained tensors as the one float32 vector that fettle's checkpoints hold, and what the optimiser remembers beside it."""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from torch.distributed.tensor import DTensor, distribute_tensor

from . import optimisers
from .errors import RunnerError

Entry = dict[str, Any]
Flat = dict[str, torch.Tensor]


class Parameters:
    """
    By run.json's `parameters`: each tensor of the file is `rows` of `columns` numbers in that vector, `stride` apart.
    To be made before the model is sharded: names stay, tensors do not.
    """

    def __init__(self, model: Any, run: dict[str, Any]) -> None:
        self.model, self.told = model, run["optimiser"]
        self.listed: list[Entry] = run["parameters"]["tensors"]
        trained = {parameter.data_ptr(): name for name, parameter in model.named_parameters() if parameter.requires_grad}
        in_file = get_peft_model_state_dict(model) if isinstance(model, PeftModel) else model.state_dict()
        names = {file: trained[tensor.data_ptr()] for file, tensor in in_file.items() if tensor.data_ptr() in trained}
        # Tied tensors have two names in files, and one place.
        self.entries: dict[str, Entry] = {names[entry["name"]]: entry for entry in self.listed if entry["name"] in names}
        missing = {*trained.values()} ^ {*self.entries}
        if missing:
            raise RunnerError("adapter_init", f"other trained tensors than run.json lists: {sorted(missing)[:3]}",
                              f"its {len(self.listed)}", "pip install -U peft transformers")
        self.keys = optimisers.remembered(self.told)
        size = run["parameters"]["size"]
        self.sizes = {"parameters": size, **{name: size for name in self.keys}}
        if self.told["name"] == "adafactor":
            self._place_rows_and_columns()

    def _place_rows_and_columns(self) -> None:
        """Adafactor's numbers stand matrix after matrix, in the order of the parameters; a vector is one row."""
        row = column = 0
        for entry in sorted(self.entries.values(), key=lambda each: each["start"]):
            rows, columns = (1, entry["rows"] * entry["columns"]) if len(entry["shape"]) == 1 else (entry["rows"], entry["columns"])
            entry["row_squares"], entry["column_squares"] = slice(row, row + rows), slice(column, column + columns)
            row, column = row + rows, column + columns
        self.sizes.update(row_squares=row, column_squares=column)

    def optimiser(self) -> torch.optim.Optimizer:
        """With weight decay and a multiple of the learning rate for each tensor."""
        groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
        for entry, parameter in self._live():
            groups.setdefault((entry["weight_decay"], entry["learning_rate_factor"]), []).append(parameter)
        return optimisers.create(self.told, [{"params": params, "weight_decay": decay, "factor": factor}
                                             for (decay, factor), params in groups.items()])

    def read(self, optimiser: torch.optim.Optimizer) -> Flat:
        """Parameters, and what the optimiser remembers. Every rank must call it where the model is sharded."""
        flat = {name: torch.zeros(size) for name, size in self.sizes.items()}
        for entry, parameter in self._live():
            state = optimiser.state.get(parameter, {})
            found = {name: state[key] for name, key in self.keys.items() if key in state}
            if self.told["name"] == "adafactor" and "exp_avg_sq" in state:
                found = {"row_squares": state["exp_avg_sq"].mean(), "column_squares": state["exp_avg_sq"]}
            for name, tensor in {"parameters": parameter.detach() + entry["plus"], **found}.items():
                view = _view(flat, name, entry)
                view.copy_(_whole(tensor).reshape(view.shape))
        return flat

    def write(self, optimiser: torch.optim.Optimizer, flat: Flat, step: int) -> None:
        for entry, parameter in self._live():
            values = {name: _view(flat, name, entry) for name in self.sizes}
            with torch.no_grad():
                parameter.copy_(_like((values.pop("parameters") - entry["plus"]).reshape(parameter.shape), parameter))
            if step == 0:
                continue
            if self.told["name"] == "adafactor":
                names = self.keys if parameter.dim() > 1 else {"column_squares": "exp_avg_sq"}
                state: dict[str, Any] = {key: values[name].to(parameter.device).clone() for name, key in names.items()}
                optimiser.state[parameter] = {"step": step, "RMS": 0, **state}
            else:
                state = {key: _like(values[name].reshape(parameter.shape), parameter).clone() for name, key in self.keys.items()}
                optimiser.state[parameter] = {"step": torch.tensor(float(step)), **state}

    def files(self, flat: Flat) -> dict[str, torch.Tensor]:
        """The tensors by their names in adapter_model.safetensors, or model.safetensors."""
        return {entry["name"]: (_view(flat, "parameters", entry) - entry["plus"]).reshape(entry["shape"]) for entry in self.listed}

    def _live(self) -> list[tuple[Entry, torch.nn.Parameter]]:
        live = dict(self.model.named_parameters())
        return [(entry, live[name]) for name, entry in self.entries.items()]


def _view(flat: Flat, name: str, entry: Entry) -> torch.Tensor:
    if name in entry:
        return flat[name][entry[name]]
    return flat[name].as_strided((entry["rows"], entry["columns"]), (entry["stride"], 1), entry["start"])


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().float().cpu()


def _like(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    moved = values.to(like.device)
    return distribute_tensor(moved, like.device_mesh, like.placements) if isinstance(like, DTensor) else moved
