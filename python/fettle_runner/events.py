"""Events, numbered: a line of JSON each in events.jsonl of the run's folder, and on stdout for whoever started this process."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any


class Events:
    """Rank 0 tells what happens. Numbers go on where an earlier attempt ended, so that a reader can leave out what it has."""

    def __init__(self, folder: Path, tells: bool, prints: bool = True) -> None:
        self.path, self.tells, self.prints = folder / "events.jsonl", tells, prints
        if tells:
            self.sequence, self.attempt = _last(self.path)
            self.attempt += 1

    def tell(self, **event: Any) -> None:
        if not self.tells:
            return
        self.sequence += 1
        time = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": time, "seq": self.sequence, "attempt": self.attempt, **event})
        with self.path.open("a", encoding="utf8", newline="\n") as file:
            file.write(line + "\n")
        if not self.prints:
            return
        try:
            print(line, flush=True)
        except BrokenPipeError:
            # Nobody listens any more: the file has it.
            sys.stdout = open(os.devnull, "w", encoding="utf8")

    def tell_always(self, **event: Any) -> None:
        """What goes wrong on one rank alone."""
        if not self.tells:
            self.sequence, self.attempt = _last(self.path)
        self.tells = True
        self.tell(**event)


def _last(path: Path) -> tuple[int, int]:
    """Number and attempt of the last event. A line that was cut by a kill is none, and is ended."""
    sequence = attempt = 0
    if not path.exists():
        return sequence, attempt
    text = path.read_bytes()
    if text and not text.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            sequence = max(sequence, int(event.get("seq", 0)))
            attempt = max(attempt, int(event.get("attempt", 0)))
    return sequence, attempt
