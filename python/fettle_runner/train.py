"""The loop: steps as run.json lists them, over one process or many, with events, checkpoints and a stop that is agreed on."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from . import checkpoints, objectives, system
from .errors import RunnerError
from .evaluation import evaluate
from .events import Events
from .hand_off import HandOff, Rows
from .model import Forward, core, load_model, probe, reference_of
from .parameters import Parameters
from .world import World, begin, parallel, see_same_folder


@dataclass
class How:
    """How a run is computed; nothing here changes what is learned, but for rounding."""

    parallel: str = "ddp"
    attention: str = "auto"
    tokens_per_pass: int | None = None
    model: str | None = None
    parent: int | None = None
    prints: bool = True


def passes_of(rows: list[int], hand_off: HandOff, world: int, limit: int) -> list[list[list[int]]]:
    """
    [rank][pass] the rows of a step: each rank takes every world-th one, and as many in a pass as fit. Every rank makes as many
    passes; those that a rank has none for are empty.
    """
    ranks = []
    for rank in range(world):
        passes: list[list[int]] = []
        room = 0
        for row in rows[rank::world]:
            length = hand_off.rows.length(row)
            if length > room or not passes:
                passes.append([])
                room = max(limit, length)
            passes[-1].append(row)
            room -= length
        ranks.append(passes)
    most = max(len(passes) for passes in ranks)
    return [passes + [[] for _ in range(most - len(passes))] for passes in ranks]


class Run:
    def __init__(self, hand_off: HandOff, output: Path, how: How, world: World, events: Events) -> None:
        self.hand_off, self.output, self.how, self.world, self.events = hand_off, output, how, world, events
        run = hand_off.run
        self.objective = run["objective"]
        self.method = self.objective["method"]
        self.base = load_model(hand_off, world.device, how.model or run["model"]["path"])
        self.parameters = Parameters(self.base, run)
        self.model = parallel(world, self.base, how.parallel)
        # Passes that need no gradient do not go through DDP: nothing of them is to be reduced.
        self.still = self.base if how.parallel == "ddp" else self.model
        self.forward = Forward(self.model, self.base, run["model"]["dtype"])
        sample = probe(hand_off)
        try:
            self.attention = self.forward.keep_apart(sample.to(world.device) if sample else None, how.attention)
            # Without attention that skips what is masked, long passes cost the square of their tokens.
            self.limit = how.tokens_per_pass or (16384 if self.attention.startswith("fl") else 2048)
        except RunnerError:
            if run["packed"]:
                raise
            # Rows of one document each need nothing that keeps them apart, one at a time.
            self.attention, self.limit = "sdpa, a row at a time", 1
            self.forward.masks = False
            core(self.base).set_attn_implementation("sdpa")
        if how.parallel == "fsdp" and run["optimiser"]["name"] == "adafactor":
            raise RunnerError("optim", "adafactor, which looks at whole matrices", "adamw, lion or sgd with --parallel fsdp",
                              "Leave out --parallel, or set optim: adamw.")
        self.optimiser = self.parameters.optimiser()
        path = checkpoints.newest(output, hand_off.start, run["checkpoint"]["run"]["id"])
        self.state, flat = checkpoints.load(path)
        self.parameters.write(self.optimiser, flat, self.state["step"])
        self.saved = None if path == hand_off.start else path

    def step(self) -> dict[str, Any]:
        """Makes the next step; every rank must. Raises RunnerError where its numbers are not finite."""
        begun = time.monotonic()
        number = self.state["step"]
        told = self.hand_off.steps[number]
        first, count = told["rows"]
        rows = list(range(first, first + count))
        passes = passes_of(rows, self.hand_off, self.world.size, self.limit)[self.world.rank]
        torch.manual_seed((self.hand_off.run["seed"] * 1_000_003 + number) * 65_537 + self.world.rank)
        # Preferences are compared with a reference that nothing drops out of.
        self.model.train(self.method == "sft")
        divergences = self._divergences(told, passes) if self.objective.get("loss_type") == "kto" else None
        loss = 0.0
        metrics: dict[str, float] = {}
        for index, own in enumerate(passes):
            is_last = index == len(passes) - 1
            with self._gathering(is_last):
                # A rank without rows of its own goes through the motions: the others wait for it.
                batch = self.hand_off.rows.read(own or [first]).to(self.world.device)
                part, measured = self._loss(batch, told, divergences)
                part = part * (1.0 if own else 0.0)
                # Gradients become means over the ranks, and the loss is a sum.
                (part * self.world.size).backward()
            loss += float(part.detach())
            for name, values in measured.items():
                metrics[name] = metrics.get(name, 0.0) + (float(values.sum()) if own else 0.0)
        trained = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        clip = self.hand_off.run["optimiser"]["max_grad_norm"]
        norm = torch.nn.utils.clip_grad_norm_(trained, clip or math.inf)
        norm = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        names = sorted(metrics)
        summed = self.world.sum(torch.tensor([loss, *(metrics[name] for name in names)], dtype=torch.float64))
        loss = float(summed[0])
        if not (math.isfinite(loss) and math.isfinite(norm)):
            found = f"loss {loss}" if not math.isfinite(loss) else f"gradient norm {norm}"
            raise RunnerError(f"step {number + 1}", found, "a finite number",
                              f"Lower learning_rate.{f' {self.saved} is the last checkpoint.' if self.saved else ''}")
        for group in self.optimiser.param_groups:
            group["lr"] = told["learning_rate"] * group["factor"]
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.state["step"] += 1
        self.state["passes"] += max(1, len(passes))
        self.state["tokens"] = self.state.get("tokens", 0) + told["tokens"]
        elapsed = time.monotonic() - begun
        event = {"step": number + 1, "epoch": told["epoch"], "loss": loss, "grad_norm": norm,
                 "learning_rate": told["learning_rate"], "tokens": told["tokens"],
                 "learned_tokens": told["learned_tokens"], "tokens_per_second": told["tokens"] / elapsed,
                 "peak_rss_mib": _peak_mib()}
        if names:
            event["metrics"] = {name: float(summed[1 + i]) / count for i, name in enumerate(names)}
        return event

    def _gathering(self, is_last: bool) -> Any:
        """Gradients meet once, after the last pass of a step."""
        if self.how.parallel == "fsdp" and hasattr(self.model, "set_requires_gradient_sync"):
            self.model.set_requires_gradient_sync(is_last)
        elif not is_last and hasattr(self.model, "no_sync"):
            return self.model.no_sync()
        return contextlib.nullcontext()

    def _loss(self, batch: Rows, told: dict[str, Any], divergences: torch.Tensor | None
              ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if self.method == "sft":
            return objectives.sft(self.forward.log_probs(batch), told["learned_tokens"]), {}
        groups = self._groups(batch, told)
        sizes = torch.tensor(told["micro_batches"], device=groups.device)
        shares = 1.0 / (sizes[groups] * len(sizes))
        if self.method in ("orpo", "cpo"):
            tokens = torch.tensor(told["chosen_tokens"], device=groups.device)
            return objectives.likelihood_pairs(self.forward.log_probs(batch), batch, shares, 1.0 / (tokens[groups] * len(sizes)),
                                               self.objective)
        reference = self._reference(batch)
        log_probs = self.forward.log_probs(batch)
        if self.method == "dpo":
            return objectives.dpo(log_probs, reference, batch, shares, self.objective)
        k = divergences.to(groups.device)[groups] if divergences is not None else torch.zeros_like(shares)
        return objectives.kto(log_probs, reference, batch, shares, self.objective, k)

    def _reference(self, batch: Rows) -> torch.Tensor:
        if batch.reference is not None:
            return batch.reference
        with reference_of(self.base):
            return self.forward.log_probs(batch, self.still)

    def _groups(self, batch: Rows, told: dict[str, Any]) -> torch.Tensor:
        """[rows] the micro-batch of each."""
        ends = torch.tensor(told["micro_batches"]).cumsum(0)
        within = torch.tensor([row - told["rows"][0] for row in batch.rows])
        return torch.bucketize(within, ends, right=True).to(self.world.device)

    def _divergences(self, told: dict[str, Any], passes: list[list[int]]) -> torch.Tensor:
        """[micro-batches] KTO's k: mean of Σ log π - Σ log π_ref over mismatched answers, at least 0, of all ranks together."""
        total = torch.zeros(len(told["micro_batches"]))
        for own in passes:
            batch = self.hand_off.rows.read(own or [told["rows"][0]]).to(self.world.device)
            with torch.no_grad():
                ratios = objectives.mismatch(self.forward.log_probs(batch, self.still), self._reference(batch), batch)
            if own:
                total.index_add_(0, self._groups(batch, told).cpu(), ratios.cpu())
        return (self.world.sum(total) / torch.tensor(told["micro_batches"])).clamp(min=0)

    def checkpoint(self) -> Path:
        flat = self.parameters.read(self.optimiser)
        if not bool(torch.isfinite(flat["parameters"]).all()):
            raise RunnerError(f"step {self.state['step']}", "weights that are not finite", None, "Lower learning_rate.")
        path = self.output / f"checkpoint-{self.state['step']}"
        if self.world.rank == 0:
            path = checkpoints.save(self.output, self.hand_off.start, self.state, flat, self.parameters.files(flat))
            checkpoints.keep_newest(self.output, self.hand_off.run["save_total_limit"])
        self.world.barrier()
        self.saved = path
        return path

    def evaluate(self) -> dict[str, Any]:
        assert self.hand_off.evaluation is not None
        limit = max(self.limit, 1)
        return evaluate(self.hand_off.evaluation, self.forward, self.model, self.world, limit, self.objective)


def train(folder: Path, output: Path, how: How) -> int:
    """
    Runs to the end, or until the file `stop` appears in `output`. Returns the exit code; a stop is no failure, which torchrun would
    start again.
    """
    output.mkdir(parents=True, exist_ok=True)
    world = begin()
    events = Events(output, world.rank == 0, how.prints)
    begun = time.monotonic()
    try:
        see_same_folder(world, output)
        return _train(HandOff(folder), output, how, world, events, begun)
    except RunnerError as error:
        events.tell(type="error", **error.problem)
        return 1
    except torch.OutOfMemoryError as error:
        events.tell_always(type="error", place=f"memory of {world.device}", found=str(error).split(". ")[0][:200], expected=None,
                           cure="Set gradient_checkpointing: true, a smaller max_length, quantization: nf4, or spread the model "
                           "over GPUs (--parallel fsdp). The last checkpoint is whole: --resume goes on from it.")
        if world.size > 1:
            # The others wait for this one: what started them must end them.
            raise
        return 1


def _train(hand_off: HandOff, output: Path, how: How, world: World, events: Events, begun: float) -> int:
    stop = output / "stop"
    run = Run(hand_off, output, how, world, events)
    plan = hand_off.run
    total = len(hand_off.steps)
    where = torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else "cpu"
    processes = "" if world.size == 1 else f" · {world.size} processes, {how.parallel}"
    first = run.state["step"]
    events.tell(**{"type": "start", **plan["start"], "engine": f"torch {torch.__version__}, transformers "
                   f"{transformers.__version__}", "isa": f"{where} · {run.attention}{processes}",
                   "threads": torch.get_num_threads(), "first_step": first, "output_dir": str(output)})
    tokens = 0
    trained = time.monotonic()
    last: dict[str, Any] = {"loss": None}
    stopped = False
    evaluates = hand_off.evaluation is not None
    if evaluates and first == 0:
        events.tell(type="eval", step=0, **run.evaluate())
    while run.state["step"] < total and not stopped:
        last = run.step()
        step = last["step"]
        tokens += last["tokens"]
        is_last = step == total
        if step % plan["logging_steps"] == 0 or is_last:
            events.tell(type="step", **last, elapsed_ms=(time.monotonic() - begun) * 1000)
        told = hand_off.steps[step - 1]
        if evaluates and (told.get("evaluate") or is_last):
            events.tell(type="eval", step=step, **run.evaluate())
        # Every rank must stop after the same step.
        wants = world.rank == 0 and (stop.exists() or is_orphan(how.parent))
        stopped = bool(world.sum(torch.tensor([float(wants)]))) and not is_last
        if told.get("save") or stopped or is_last:
            path = run.checkpoint()
            events.tell(type="checkpoint", step=step, path=str(path))
    path = run.saved or run.checkpoint()
    if world.rank == 0:
        done = {"step": run.state["step"], "interrupted": stopped}
        record = {"format_version": run.state["format_version"], "run": run.state["run"], "model": plan["model"]["path"],
                  "identity": run.state["identity"], "result": done}
        checkpoints.result(output, path, record)
        stop.unlink(missing_ok=True)
    seconds = max(1e-9, time.monotonic() - trained)
    events.tell(type="end", step=run.state["step"], loss=last["loss"], interrupted=stopped,
                elapsed_ms=(time.monotonic() - begun) * 1000, tokens_per_second=tokens / seconds,
                peak_rss_mib=_peak_mib(), output_dir=str(output), checkpoint=str(path))
    world.barrier()
    return 0


def is_orphan(parent: int | None) -> bool:
    """Whether the process that started this one, on this machine, is gone."""
    return parent is not None and not system.is_alive(parent)


def _peak_mib() -> float:
    """Of this process; on a GPU that of its memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return system.peak_rss_mib()
