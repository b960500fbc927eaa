"""python -m fettle_runner HAND_OFF --output DIR, under torchrun as well: torchrun --nproc-per-node 4 -m fettle_runner …"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Counting from the same seed, Python's hash of numbers is the same everywhere; tokenizers are not used and need not warn.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fettle_runner", description=__doc__)
    parser.add_argument("hand_off", type=Path, help="folder that fettle prepare --hand-off wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run: events, checkpoints, result")
    parser.add_argument("--model", help="where the base model is, if not where run.json says")
    parser.add_argument("--parallel", choices=("ddp", "fsdp"), default="ddp", help="what several processes do")
    parser.add_argument("--attention", default="auto", help="flash_attention_2, flex_attention, sdpa or eager")
    parser.add_argument("--tokens-per-pass", type=int, help="rows that share a pass")
    parser.add_argument("--parent", type=int, help="process whose end is a stop")
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 whatever the events tell: torchrun starts no "
                        "run again that would fail again")
    return parser


def main() -> int:
    given = arguments().parse_args()
    # Heavy: not for --help.
    from .train import How, train

    how = How(given.parallel, given.attention, given.tokens_per_pass, given.model, given.parent)
    code = train(given.hand_off, given.output, how)
    return 0 if given.exit_zero else code


if __name__ == "__main__":
    sys.exit(main())
