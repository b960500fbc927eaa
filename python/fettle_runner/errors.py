"""What a person can do something about: the same four parts as fettle's own errors."""

from __future__ import annotations


class RunnerError(Exception):
    """Place, found, expected, cure; fettle shows them as its own."""

    def __init__(self, place: str, found: str, expected: str | None = None, cure: str | None = None) -> None:
        super().__init__(f"{place}: {found}" + (f"; expected {expected}" if expected else ""))
        self.parts = (place, found, expected, cure)
        self.problem = {"place": place, "found": found, "expected": expected, "cure": cure}

    def __reduce__(self) -> tuple[type[RunnerError], tuple[str | None, ...]]:
        # Ray sends errors from machine to machine.
        return RunnerError, self.parts
