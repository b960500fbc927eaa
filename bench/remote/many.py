"""Several runs in one process, whose start costs more than they do: python many.py HOW HAND_OFF OUTPUT HAND_OFF OUTPUT …, also under torchrun."""

from __future__ import annotations

import sys
from pathlib import Path

from fettle_runner.train import How, train

how, *folders = sys.argv[1:]
for hand_off, output in zip(folders[::2], folders[1::2], strict=True):
    if train(Path(hand_off), Path(output), How(how, prints=False)) != 0:
        print(f"{output}: {(Path(output) / 'events.jsonl').read_text().splitlines()[-1]}", file=sys.stderr)
