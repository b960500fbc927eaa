"""python -m fettle_runner.ray_job HAND_OFF --output DIR --workers 4: a job of a Ray cluster, whose driver prints the events."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from .__main__ import arguments


def work(config: dict[str, Any]) -> None:
    """A worker. What is told as an error would fail again: it returns, so that Ray does not start it again."""
    import fettle_runner
    from fettle_runner.train import How, train

    # What was uploaded lies beside the runner, on each machine elsewhere; a path of shared storage is whole.
    folder = Path(fettle_runner.__file__).parents[1] / config["hand_off"]
    train(folder, Path(config["output"]), How(**config["how"], prints=False))


class Follower(threading.Thread):
    """Prints what the workers write to events.jsonl. Logs of workers are no channel: Ray prefixes, repeats and folds their lines."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path, self.done, self.failed = path, threading.Event(), False
        self.at = path.stat().st_size if path.exists() else 0

    def run(self) -> None:
        while not self.done.wait(0.5):
            self.read()
            if self.failed and not self.done.wait(10):
                # What is told as an error would fail again: Ray's own tries are for workers and machines that are lost.
                os._exit(1)

    def read(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.at)
            whole, end, _ = file.read().rpartition(b"\n")
        self.at += len(whole) + len(end)
        for line in whole.decode("utf8", "replace").splitlines():
            print(line, flush=True)
            self.failed = self.failed or '"type": "error"' in line


def main() -> int:
    parser = arguments()
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--max-failures", type=int, default=3, help="workers or machines that may be lost")
    given = parser.parse_args()
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    ray.init()
    given.output.mkdir(parents=True, exist_ok=True)
    follower = Follower(given.output / "events.jsonl")
    follower.start()
    how = {"parallel": given.parallel, "attention": given.attention, "tokens_per_pass": given.tokens_per_pass,
           "model": given.model}
    trainer = TorchTrainer(
        work,
        train_loop_config={"hand_off": str(given.hand_off), "output": str(given.output), "how": how},
        scaling_config=ScalingConfig(num_workers=given.workers, use_gpu=bool(ray.cluster_resources().get("GPU")),
                                     placement_strategy="SPREAD"),
        run_config=RunConfig(storage_path=str(given.output / ".ray"),
                             failure_config=FailureConfig(max_failures=given.max_failures)))
    try:
        trainer.fit()
    except Exception as error:  # noqa: BLE001 - whatever Ray raises, a person is told
        told = {"time": "", "seq": 2**53 - 1, "attempt": 0, "type": "error", "place": "Ray", "found": str(error)[:200],
                "expected": None, "cure": "The job's log says more. --resume goes on from the last checkpoint."}
        follower.read()
        if not follower.failed:
            print(json.dumps(told), flush=True)
        return 1
    finally:
        follower.done.set()
        follower.join()
    follower.read()
    return 1 if follower.failed else 0


if __name__ == "__main__":
    sys.exit(main())
