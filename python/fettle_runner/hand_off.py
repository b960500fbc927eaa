"""Reads a hand-off: run.json, and rows of tokens out of safetensors shards, only those that are asked for."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from .errors import RunnerError

VERSION = 1


@dataclass
class Rows:
    """Some rows, laid end to end: n tokens in all, of which m are learned."""

    input_ids: torch.Tensor  # [n]
    position_ids: torch.Tensor  # [n] place of a token in its document
    document_ids: torch.Tensor  # [n] ascending, other numbers in other rows
    places: torch.Tensor  # [m] where something is predicted: the place before a learned token
    targets: torch.Tensor  # [m] what is predicted there
    row_of: torch.Tensor  # [m] the row, 0 for the first of these
    document_of: torch.Tensor  # [m] the document in its row
    token_weights: torch.Tensor | None  # [m] what a token counts in the sum of its answer; preferences only
    reference: torch.Tensor | None  # [m] log-probability by the reference, where that was computed before
    rows: list[int]

    def to(self, device: torch.device) -> "Rows":
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return Rows(**{**vars(self), **moved})


class Shards:
    """Rows by their number, over several files; of each file only the asked slices are read."""

    def __init__(self, folder: Path, shards: list[dict[str, Any]]) -> None:
        self.files = [folder / shard["file"] for shard in shards]
        self.firsts = [0, *accumulate(shard["rows"] for shard in shards)]
        self.count = self.firsts[-1]

    @lru_cache(maxsize=4)  # noqa: B019 - one object lives as long as the run
    def _open(self, shard: int) -> tuple[Any, torch.Tensor]:
        file = safe_open(str(self.files[shard]), framework="pt")
        return file, file.get_tensor("row_starts")

    def _place(self, row: int) -> tuple[Any, int, int]:
        shard = bisect_right(self.firsts, row) - 1
        file, starts = self._open(shard)
        within = row - self.firsts[shard]
        return file, int(starts[within]), int(starts[within + 1])

    @lru_cache(maxsize=1)  # noqa: B019
    def _lengths(self) -> torch.Tensor:
        starts = [self._open(shard)[1] for shard in range(len(self.files))]
        return torch.cat([each[1:] - each[:-1] for each in starts]) if starts else torch.zeros(0)

    def length(self, row: int) -> int:
        return int(self._lengths()[row])

    def read(self, rows: list[int]) -> Rows:
        parts: dict[str, list[torch.Tensor]] = {}
        at = documents = 0
        for number, row in enumerate(rows):
            file, start, end = self._place(row)
            names = set(file.keys())
            part = {name: file.get_slice(name)[start:end] for name in names - {"row_starts"}}
            own, labels = part["document_ids"], part["labels"]
            # Nothing comes before the first token of a document, so nothing predicts it.
            learned = torch.nonzero((labels[1:] != -100) & (own[1:] == own[:-1])).flatten() + 1
            columns = {
                "input_ids": part["input_ids"],
                "position_ids": part["position_ids"],
                "document_ids": own + documents,
                "places": learned - 1 + at,
                "targets": labels[learned],
                "row_of": torch.full_like(learned, number),
                "document_of": own[learned],
                **{name: part[name][learned] for name in ("token_weights", "reference") if name in names},
            }
            for name, column in columns.items():
                parts.setdefault(name, []).append(column.long() if not column.is_floating_point() else column)
            at += end - start
            documents += int(own[-1]) + 1
        joined: dict[str, Any] = {name: torch.cat(columns) for name, columns in parts.items()}
        return Rows(**{"token_weights": None, "reference": None, **joined}, rows=rows)


class HandOff:
    """What fettle handed over, in the folder that it was written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.run: dict[str, Any] = json.loads((folder / "run.json").read_text("utf8"))
        except FileNotFoundError:
            raise RunnerError(
                str(folder), "no run.json", "a folder that fettle prepare --hand-off wrote",
                "Put it where every machine sees it, under the same path.",
            ) from None
        if self.run.get("format") != "fettle-hand-off" or self.run.get("version") != VERSION:
            found = f"{self.run.get('format')} version {self.run.get('version')}"
            raise RunnerError(str(folder / "run.json"), found, f"fettle-hand-off version {VERSION}",
                              "Use the runner of the fettle that wrote it.")
        self.start = folder / "adapter_init"
        self.steps: list[dict[str, Any]] = self.run["steps"]
        self.rows = Shards(folder, self.run["shards"])
        evaluation = self.run.get("evaluation")
        self.evaluation = Shards(folder, evaluation["shards"]) if evaluation else None
