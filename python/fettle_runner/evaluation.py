"""Held-out rows, computed with the weights as they are: loss, accuracy, and how likely an answer stops where it should."""

from __future__ import annotations

import math
from typing import Any

import torch

from .hand_off import Shards
from .model import Forward
from .world import World


def evaluate(shards: Shards, forward: Forward, model: Any, world: World, limit: int, objective: dict[str, Any]
             ) -> dict[str, Any]:
    """As fettle's src/train/objectives/sft.ts tells it; each rank takes every world-th row."""
    stops = torch.tensor(objective["stop_token_ids"] or [-1], device=world.device)
    totals = torch.zeros(7, dtype=torch.float64)
    training = model.training
    model.eval()
    rounds = math.ceil(shards.count / world.size)
    with torch.no_grad():
        for index in range(rounds):
            row = index * world.size + world.rank
            batch = shards.read([row if row < shards.count else 0]).to(world.device)
            log_probs = forward.logits(batch).log_softmax(-1)
            own = log_probs.gather(1, batch.targets[:, None])[:, 0]
            is_stop = torch.isin(batch.targets, stops)
            early = log_probs[:, max(int(stops[0]), 0)].exp()
            values = [-own.sum(), len(own), (log_probs.argmax(-1) == batch.targets).sum(), own.exp()[is_stop].sum(),
                      is_stop.sum(), early[~is_stop].sum(), (~is_stop).sum()]
            if row < shards.count:
                totals += torch.tensor([float(value) for value in values], dtype=torch.float64)
    model.train(training)
    loss, tokens, right, stop, stop_count, early_sum, others = world.sum(totals).tolist()
    return {
        "loss": loss / tokens, "learned_tokens": int(tokens), "perplexity": math.exp(min(700.0, loss / tokens)),
        "mean_token_accuracy": right / tokens,
        "stop_probability": stop / stop_count if stop_count else None,
        "early_stop_probability": early_sum / others if others and objective["stop_token_ids"] else None,
    }
