"""The processes that make one run: alone, under torchrun, or as workers of Ray; and what they tell each other."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from .errors import RunnerError
from .model import core
from .system import processors


@dataclass
class World:
    rank: int
    size: int
    device: torch.device

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Over all ranks, in the same order on each."""
        if self.size > 1:
            moved = values.to(self.device)
            dist.all_reduce(moved)
            return moved.cpu()
        return values

    def barrier(self) -> None:
        # Not dist.barrier: NCCL's guesses a device.
        self.sum(torch.zeros(1))


def begin() -> World:
    """By what torchrun or Ray put into the environment; gloo on processors, NCCL on GPUs."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    local, here = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", str(size)))
    gpus = torch.cuda.device_count()
    # Ray shows each worker its own GPU.
    device = torch.device("cuda", local if local < gpus else 0) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    elif size > 1 or "FETTLE_THREADS" in os.environ:
        threads = os.environ.get("FETTLE_THREADS") or processors() // here
        torch.set_num_threads(max(1, int(threads)))
    if size > 1 and not dist.is_initialized():
        store, _, _ = next(dist.rendezvous("env://"))
        # A torchrun of one machine keeps its store when it starts the workers again: the addresses of those before would be found there.
        if here == size:
            store = dist.PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        dist.init_process_group("nccl" if gpus else "gloo", store=store, rank=rank, world_size=size)
    return World(rank, size, device)


def parallel(world: World, model: Any, how: str) -> Any:
    """What passes go through: the model itself, DDP, or FSDP2, where each rank holds a part of the weights."""
    if how == "fsdp":
        if world.size == 1 and not dist.is_initialized():
            raise RunnerError("--parallel fsdp", "one process", "several", "Start it with torchrun.")
        from torch.distributed.fsdp import fully_shard

        split = set(core(model)._no_split_modules or [])
        for module in list(model.modules()):
            if type(module).__name__ in split:
                fully_shard(module)
        # After passes without gradients, too: what is not resharded are other tensors than the optimiser has.
        fully_shard(model, reshard_after_forward=True)
        return model
    if world.size == 1:
        return model
    return DistributedDataParallel(model, device_ids=[world.device.index] if world.device.type == "cuda" else None)


def see_same_folder(world: World, folder: Path) -> None:
    """Raises RunnerError on every rank where one of them sees another folder than rank 0 writes to."""
    if world.size == 1:
        return
    token = torch.tensor([uuid.uuid4().int % 10**15 if world.rank == 0 else 0], dtype=torch.float64)
    name = folder / f".storage-{int(world.sum(token))}"
    if world.rank == 0:
        name.touch()
    world.barrier()
    seen = False
    for _ in range(20):
        seen = name.exists()
        if seen:
            break
        time.sleep(0.5)
    missing = world.size - int(world.sum(torch.tensor([float(seen)])))
    if world.rank == 0:
        name.unlink(missing_ok=True)
    if missing:
        raise RunnerError(str(folder), f"a folder that {missing} of {world.size} workers do not share",
                          "storage that every machine sees under the same path",
                          "Set output_dir to a folder of shared storage (NFS, Lustre, a mounted bucket).")
