"""python -m unittest discover -s python/tests (with python/ in PYTHONPATH): what of the runner needs no model. bench/run.sh remote runs it."""

from __future__ import annotations

import json
import math
import tempfile
import unittest
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from fettle_runner import checkpoints, objectives
from fettle_runner.errors import RunnerError
from fettle_runner.events import Events
from fettle_runner.hand_off import HandOff
from fettle_runner.parameters import Parameters
from fettle_runner.train import passes_of


def hand_off(folder: Path, rows: list[list[list[int]]], **extra: torch.Tensor) -> HandOff:
    """Rows of documents of tokens; all but the first token of a document is learned."""
    columns: dict[str, list[int]] = {name: [] for name in ("input_ids", "labels", "position_ids", "document_ids")}
    starts = [0]
    for row in rows:
        for number, document in enumerate(row):
            columns["input_ids"] += document
            columns["labels"] += document
            columns["position_ids"] += range(len(document))
            columns["document_ids"] += [number] * len(document)
        starts.append(len(columns["input_ids"]))
    tensors = {name: torch.tensor(values, dtype=torch.int32) for name, values in columns.items()}
    save_file({**tensors, **extra, "row_starts": torch.tensor(starts, dtype=torch.int32)}, folder / "shard-00000.safetensors")
    run = {"format": "fettle-hand-off", "version": 1, "steps": [], "evaluation": None,
           "shards": [{"file": "shard-00000.safetensors", "rows": len(rows), "tokens": starts[-1]}]}
    (folder / "run.json").write_text(json.dumps(run))
    return HandOff(folder)


class InFolder(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)


class Rows(InFolder):
    def test_the_label_shift_stays_inside_documents(self) -> None:
        given = hand_off(self.folder, [[[1, 2, 3], [4, 5]], [[6, 7]]])
        rows = given.rows.read([0, 1])
        self.assertEqual(rows.places.tolist(), [0, 1, 3, 5])
        self.assertEqual(rows.targets.tolist(), [2, 3, 5, 7])
        self.assertEqual(rows.document_ids.tolist(), [0, 0, 0, 1, 1, 2, 2])
        self.assertEqual(rows.row_of.tolist(), [0, 0, 0, 1])
        self.assertEqual(rows.document_of.tolist(), [0, 0, 1, 0])

    def test_every_rank_makes_as_many_passes_and_every_row_comes_once(self) -> None:
        given = hand_off(self.folder, [[[1] * length] for length in (5, 3, 9, 2, 4)])
        for world in (1, 2, 3, 8):
            passes = passes_of([0, 1, 2, 3, 4], given, world, 8)
            self.assertEqual(len({len(own) for own in passes}), 1)
            self.assertEqual(sorted(row for own in passes for each in own for row in each), [0, 1, 2, 3, 4])

    def test_another_version_is_refused(self) -> None:
        hand_off(self.folder, [[[1, 2]]])
        run = json.loads((self.folder / "run.json").read_text())
        (self.folder / "run.json").write_text(json.dumps({**run, "version": 9}))
        with self.assertRaisesRegex(RunnerError, "version 9; expected fettle-hand-off version 1"):
            HandOff(self.folder)


class Losses(InFolder):
    def pairs(self, weights: list[float]) -> Any:
        given = hand_off(self.folder, [[[1, 2, 3], [4, 5, 6]]], token_weights=torch.tensor(weights))
        return given.rows.read([0])

    def test_dpo(self) -> None:
        rows = self.pairs([0.0, 1.0, 1.0, 0.0, -1.0, -1.0])
        log_probs, reference = torch.tensor([-1.0, -2.0, -3.0, -4.0]), torch.tensor([-1.5, -2.5, -3.5, -4.0])
        margin = 1.0 - 0.5
        for name, expected in (("sigmoid", -F.logsigmoid(torch.tensor(0.1 * margin))), ("hinge", torch.tensor(1 - 0.1 * margin)),
                               ("ipo", torch.tensor((margin - 5.0) ** 2))):
            loss, told = objectives.dpo(log_probs, reference, rows, torch.ones(1),
                                        {"loss_type": name, "beta": 0.1, "label_smoothing": 0.0})
            self.assertAlmostEqual(float(loss), float(expected), places=5)
            self.assertAlmostEqual(float(told["rewards/margins"]), 0.1 * margin, places=6)

    def test_kto(self) -> None:
        rows = self.pairs([0.0, -2.0, -2.0, 0.0, 0.0, 0.0])
        log_probs, reference = torch.tensor([-1.0, -2.0, -3.0, -4.0]), torch.tensor([-1.5, -2.5, -3.5, -4.0])
        k = objectives.mismatch(log_probs, reference, rows)
        self.assertAlmostEqual(float(k), 0.5)
        loss, _ = objectives.kto(log_probs, reference, rows, torch.ones(1), {"beta": 0.1}, k)
        self.assertAlmostEqual(float(loss), 2 * float(torch.sigmoid(torch.tensor(0.1 * (1.0 - 0.5)))), places=5)

    def test_orpo_and_cpo(self) -> None:
        # The prompt of the chosen answer is learned, and is no part of it.
        rows = self.pairs([0.0, 0.0, 1.0, 0.0, -0.5, -0.5])
        log_probs = torch.tensor([-3.0, -1.0, -2.0, -4.0])
        chosen, rejected = -1.0, -3.0
        likelihood = 4.0 / 2
        odds = chosen - rejected - (math.log(1 - math.exp(chosen)) - math.log(1 - math.exp(rejected)))
        share = torch.full((1,), 0.5)
        loss, told = objectives.likelihood_pairs(log_probs, rows, torch.ones(1), share, {"method": "orpo", "beta": 0.1})
        self.assertAlmostEqual(float(loss), likelihood + 0.1 * math.log(1 + math.exp(-odds)), places=5)
        self.assertAlmostEqual(float(told["rewards/margins"]), 0.2, places=6)
        cpo = {"method": "cpo", "beta": 0.1, "label_smoothing": 0.0, "cpo_alpha": 0.5, "simpo_gamma": 0.5, "alpha": 0.0}
        for name, expected in (("sigmoid", math.log(1 + math.exp(-0.2))), ("hinge", 0.8), ("ipo", (2.0 - 5.0) ** 2),
                               ("simpo", math.log(1 + math.exp(0.3)))):
            loss, _ = objectives.likelihood_pairs(log_probs, rows, torch.ones(1), share, {**cpo, "loss_type": name})
            self.assertAlmostEqual(float(loss), 0.5 * likelihood + expected, places=5)


class Optimisers(unittest.TestCase):
    def test_what_is_remembered_comes_back(self) -> None:
        names = ("weight", "bias")
        for told in ({"name": "adamw", "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8}, {"name": "lion", "beta1": 0.9, "beta2": 0.99},
                     {"name": "sgd", "momentum": 0.9, "dampening": 0.0, "nesterov": True}, {"name": "adafactor"}):
            torch.manual_seed(1)
            tensors = [{"name": name, "shape": shape, "start": start, "rows": shape[0], "columns": columns, "stride": columns,
                        "plus": 0, "weight_decay": 0.1, "learning_rate_factor": 1.0}
                       for name, shape, start, columns in (("weight", [3, 4], 0, 4), ("bias", [3], 12, 1))]
            run = {"optimiser": told, "parameters": {"size": 15, "tensors": tensors}}
            inputs = torch.randn(5, 4)

            def steps(model: torch.nn.Linear, optimiser: torch.optim.Optimizer, count: int) -> None:
                for _ in range(count):
                    model(inputs).square().sum().backward()
                    for group in optimiser.param_groups:
                        group["lr"] = 0.01
                    optimiser.step()
                    optimiser.zero_grad()

            one, other = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
            parameters = Parameters(one, run)
            optimiser = parameters.optimiser()
            steps(one, optimiser, 2)
            flat = parameters.read(optimiser)
            again = Parameters(other, run)
            restored = again.optimiser()
            again.write(restored, flat, 2)
            steps(one, optimiser, 2)
            steps(other, restored, 2)
            for name in names:
                self.assertTrue(torch.equal(getattr(one, name), getattr(other, name)), (told["name"], name))


class Files(InFolder):
    def test_events_go_on_counting_behind_a_line_that_was_cut(self) -> None:
        Events(self.folder, True, prints=False).tell(type="step", step=1)
        with (self.folder / "events.jsonl").open("a") as file:
            file.write('{"seq": 2, "attem')
        Events(self.folder, True, prints=False).tell(type="step", step=2)
        lines = (self.folder / "events.jsonl").read_text().splitlines()
        last = json.loads(lines[-1])
        self.assertEqual((last["seq"], last["attempt"], last["step"]), (2, 2, 2))

    def test_the_newest_whole_checkpoint_of_the_run_is_gone_on_from(self) -> None:
        start = self.folder / "adapter_init"
        start.mkdir()
        state: dict[str, Any] = {"run": {"id": "a"}, "step": 0}
        (start / "trainer_state.json").write_text(json.dumps(state))
        save_file({"w": torch.zeros(2)}, start / "adapter_model.safetensors")
        (start / "tokenizer.json").write_text("{}")
        flat = {name: torch.zeros(2) for name in ("parameters", "m", "v")}
        self.assertEqual(checkpoints.newest(self.folder, start, "a"), start)
        for step in (1, 2, 3):
            checkpoints.save(self.folder, start, {**state, "step": step}, flat, {"w": torch.full((2,), float(step))})
        (self.folder / "checkpoint-3" / "tokenizer.json").write_text("{ }")
        self.assertEqual(checkpoints.newest(self.folder, start, "a").name, "checkpoint-2")
        self.assertEqual(checkpoints.newest(self.folder, start, "b"), start)
        checkpoints.keep_newest(self.folder, 1)
        self.assertEqual([path.name for path in self.folder.glob("checkpoint-*")], ["checkpoint-3"])


if __name__ == "__main__":
    unittest.main()
