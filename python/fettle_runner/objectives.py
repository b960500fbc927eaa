"""Losses by the log-probabilities of learned tokens: what fettle computes in src/train/objectives, with the same weights of tokens."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from .hand_off import Rows

Losses = dict[str, torch.Tensor]


def sft(log_probs: torch.Tensor, learned_tokens: int) -> torch.Tensor:
    """The part of -Σ log P / n that these tokens are, n being the learned tokens of the whole step."""
    return -log_probs.sum() / learned_tokens


def sums(values: torch.Tensor, rows: Rows, of: torch.Tensor) -> torch.Tensor:
    """[rows] sum over the tokens of each row that `of` [m] counts."""
    return torch.zeros(len(rows.rows), device=values.device).index_add(0, rows.row_of, values * of)


def dpo(log_probs: torch.Tensor, reference: torch.Tensor, rows: Rows, shares: torch.Tensor, options: dict[str, Any]
        ) -> tuple[torch.Tensor, Losses]:
    """
    Pairs: a row holds the chosen and the rejected answer, whose tokens weigh +w and -w, so that with r = log π - log π_ref
    the margin of a pair is Σ w r.

    shares [rows]: what each pair's loss counts in that of the step.
    """
    assert rows.token_weights is not None
    beta, smoothing = options["beta"], options["label_smoothing"]
    ratios = log_probs - reference
    margin = sums(ratios, rows, rows.token_weights)
    z = beta * margin
    losses = {
        "sigmoid": lambda: -(1 - smoothing) * F.logsigmoid(z) - smoothing * F.logsigmoid(-z),
        "sigmoid_norm": lambda: -F.logsigmoid(z),
        "hinge": lambda: torch.relu(1 - z),
        "ipo": lambda: (margin - 1 / (2 * beta)) ** 2,
        "robust": lambda: (-(1 - smoothing) * F.logsigmoid(z) + smoothing * F.logsigmoid(-z)) / (1 - 2 * smoothing),
    }[options["loss_type"]]()
    with torch.no_grad():
        signs = rows.token_weights.sign()
        chosen = beta * sums(ratios, rows, (signs > 0).float())
        rejected = beta * sums(ratios, rows, (signs < 0).float())
    return (losses * shares).sum(), _rewards(chosen, rejected)


def likelihood_pairs(log_probs: torch.Tensor, rows: Rows, shares: torch.Tensor, likelihood_shares: torch.Tensor,
                     options: dict[str, Any]) -> tuple[torch.Tensor, Losses]:
    """
    ORPO and CPO, by p = Σ w log π of the chosen answer (w > 0) and of the rejected one (w < 0), and -log π of what is learned beside it.

    likelihood_shares [rows]: what -log π of a learned token of a chosen answer counts, as `shares`.
    """
    assert rows.token_weights is not None
    beta = options["beta"]
    chosen, rejected = (sums(log_probs, rows, (sign * rows.token_weights).clamp(min=0)) for sign in (1, -1))
    likelihood = -sums(log_probs, rows, (rows.document_of == 0).float())
    if options["method"] == "orpo":
        odds = chosen - rejected - (_log1m_exp(chosen) - _log1m_exp(rejected))
        losses, weight, rewards = -beta * F.logsigmoid(odds), 1.0, (chosen, rejected)
    else:
        alpha, smoothing, weight = options["alpha"], options["label_smoothing"], options["cpo_alpha"]
        rewards = (chosen, rejected) if alpha == 0 else tuple((1 - (-alpha * p).exp()) / alpha for p in (chosen, rejected))
        difference = rewards[0] - rewards[1]
        z = beta * difference - (options["simpo_gamma"] if options["loss_type"] == "simpo" else 0.0)
        losses = {
            "ipo": lambda: (difference - 1 / (2 * beta)) ** 2,
            "hinge": lambda: torch.relu(1 - z),
        }.get(options["loss_type"], lambda: -(1 - smoothing) * F.logsigmoid(z) - smoothing * F.logsigmoid(-z))()
    told = {**_rewards(*(beta * reward.detach() for reward in rewards)), "logps/chosen": chosen.detach(),
            "logps/rejected": rejected.detach()}
    return (losses * shares + weight * likelihood * likelihood_shares).sum(), told


def _log1m_exp(x: torch.Tensor) -> torch.Tensor:
    """log(1 - e^x) for x < 0."""
    return torch.where(x > -math.log(2), (-torch.expm1(x)).log(), torch.log1p(-x.exp()))


def _rewards(chosen: torch.Tensor, rejected: torch.Tensor) -> Losses:
    return {"rewards/chosen": chosen, "rewards/rejected": rejected, "rewards/margins": chosen - rejected,
            "rewards/accuracies": (chosen > rejected).float()}


def kto(log_probs: torch.Tensor, reference: torch.Tensor, rows: Rows, shares: torch.Tensor, options: dict[str, Any],
        divergence: torch.Tensor) -> tuple[torch.Tensor, Losses]:
    """
    Answers: a row holds an answer, whose tokens weigh +w where it is wanted and -w where not, and a mismatched one of weight 0.
    The loss is |w| (1 - σ(± β (s - k))) with s = Σ r of the answer; k [rows] is what `mismatch` made of its micro-batch.
    """
    assert rows.token_weights is not None
    own = (rows.document_of == 0).float()
    # All tokens of an answer weigh alike.
    weight = sums(rows.token_weights, rows, own) / sums(torch.ones_like(own), rows, own)
    ratio = sums(log_probs - reference, rows, own)
    z = weight.sign() * options["beta"] * (ratio - divergence)
    return (weight.abs() * torch.sigmoid(-z) * shares).sum(), {}


def mismatch(log_probs: torch.Tensor, reference: torch.Tensor, rows: Rows) -> torch.Tensor:
    """[rows] Σ r of the mismatched answers; KTO compares with their mean over a micro-batch, at least 0."""
    return sums(log_probs - reference, rows, (rows.document_of == 1).float())
