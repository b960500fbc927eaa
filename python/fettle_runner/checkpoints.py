"""Checkpoints in fettle's form (docs/resuming.md): written beside their name, synced and renamed, with a hash of each file."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from .system import move, sync

STATE, HASHES, OPTIMISER = "trainer_state.json", "SHA256SUMS", "optimizer.safetensors"
# One of them is there.
ADAPTER, MODEL = "adapter_model.safetensors", "model.safetensors"


def newest(folder: Path, start: Path, run_id: str) -> Path:
    """The newest whole checkpoint of this run, or what the hand-off begins with."""
    first = json.loads((start / STATE).read_text("utf8"))["step"]
    for step, path in sorted(_all(folder), reverse=True):
        if step > first and _is_whole(path) and json.loads((path / STATE).read_text("utf8"))["run"]["id"] == run_id:
            return path
    return start


def load(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    return json.loads((path / STATE).read_text("utf8")), load_file(path / OPTIMISER)


def save(folder: Path, start: Path, state: dict[str, Any], flat: dict[str, torch.Tensor],
         trained: dict[str, torch.Tensor]) -> Path:
    """What training does not change, as the tokenizer, is copied from the hand-off."""
    path = folder / f"checkpoint-{state['step']}"
    beside = path.with_name(path.name + ".unfinished")
    weights = ADAPTER if (start / ADAPTER).exists() else MODEL
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(start, beside, ignore=shutil.ignore_patterns(STATE, HASHES, OPTIMISER, weights))
    # Tensors that are not trained stay as they began, and all have the type that they had.
    begun = load_file(start / weights)
    tensors = {name: trained.get(name, tensor).to(tensor.dtype) for name, tensor in begun.items()}
    save_file(tensors, beside / weights, metadata={"format": "pt"})
    save_file(flat, beside / OPTIMISER, metadata={"format": "pt"})
    (beside / STATE).write_text(json.dumps(state, indent=2) + "\n", "utf8", newline="\n")
    files = sorted(file for file in beside.rglob("*") if file.is_file())
    lines = [f"{_hash(file)}  {file.relative_to(beside).as_posix()}\n" for file in files]
    (beside / HASHES).write_text("".join(lines), "utf8", newline="\n")
    for file in [*files, beside / HASHES, beside]:
        sync(file)
    shutil.rmtree(path, ignore_errors=True)
    move(beside, path)
    sync(folder)
    return path


def keep_newest(folder: Path, limit: int | None) -> None:
    for _, path in sorted(_all(folder))[: -limit if limit else 0]:
        removed = path.with_name(path.name + ".removed")
        move(path, removed)
        shutil.rmtree(removed)


def result(folder: Path, checkpoint: Path, record: dict[str, Any]) -> None:
    """What serves the model, and what fettle says of a run in run.json, into the run's folder."""
    for file in checkpoint.iterdir():
        if file.name not in (STATE, HASHES, OPTIMISER):
            _replace(folder / file.name, file)
    beside = folder / ".run.json.tmp"
    beside.write_text(json.dumps(record, indent=2) + "\n", "utf8", newline="\n")
    sync(beside)
    move(beside, folder / "run.json")


def _replace(to: Path, file: Path) -> None:
    if file.is_dir():
        shutil.copytree(file, to, dirs_exist_ok=True)
        return
    beside = to.with_name(f".{to.name}.tmp")
    shutil.copyfile(file, beside)
    sync(beside)
    move(beside, to)


def _all(folder: Path) -> list[tuple[int, Path]]:
    found = ((re.fullmatch(r"checkpoint-(\d{1,15})", path.name), path) for path in folder.iterdir())
    return [(int(match[1]), path) for match, path in found if match]


def _is_whole(path: Path) -> bool:
    try:
        lines = [line.split("  ", 1) for line in (path / HASHES).read_text("utf8").splitlines()]
        named = {name for _, name in lines}
        return {STATE, OPTIMISER} <= named and bool({ADAPTER, MODEL} & named) and all(_hash(path / name) == digest for digest, name in lines)
    except (OSError, ValueError):
        return False


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()
