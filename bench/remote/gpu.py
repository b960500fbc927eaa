"""
python3 bench/remote/gpu.py HAND_OFF: tokens a second and memory of the runner beside TRL's SFTTrainer, on the same rows.

Needs no network and no weights: models of random numbers in the shapes of SmolLM2-135M and of a billion parameters. HAND_OFF is what
bench/run.sh remote-gpu prepares: rows and run.json. Exits with 1 where the runner is not 1.3 times as fast. --tiny tries all of it on a processor.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
LLAMA = {"vocab_size": 49152, "rope_theta": 10000.0, "tie_word_embeddings": True, "rms_norm_eps": 1e-5}
SHAPES: dict[str, dict[str, Any]] = {
    "smollm2": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
                "num_key_value_heads": 3},
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
           "num_key_value_heads": 8},
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2},
}
LORA = {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]}


def make(shape: str, given: Path, folder: Path, steps: int) -> Path:
    """The model and its own hand-off, with the rows that were given."""
    import torch
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file, save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    base = LlamaForCausalLM(LlamaConfig(**LLAMA, **SHAPES[shape], max_position_embeddings=8192)).to(torch.bfloat16)
    base.save_pretrained(folder / "model")
    start = folder / "hand-off" / "adapter_init"
    get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **LORA)).save_pretrained(start)
    tensors, at = [], 0
    adapter = load_file(start / "adapter_model.safetensors")
    for name, tensor in adapter.items():
        rows, columns = tensor.shape
        tensors.append({"name": name, "shape": [rows, columns], "start": at, "rows": rows, "columns": columns, "stride": columns,
                        "plus": 0, "weight_decay": 0.0, "learning_rate_factor": 1.0})
        at += rows * columns
    flat = {name: torch.zeros(at) for name in ("parameters", "m", "v")}
    flat["parameters"] = torch.cat([tensor.float().flatten() for tensor in adapter.values()])
    save_file(flat, start / "optimizer.safetensors")
    run = json.loads((given / "run.json").read_text())
    state = {"format_version": 1, "run": run["checkpoint"]["run"], "identity": {}, "step": 0, "passes": 0, "tokens": 0, "steps": steps}
    (start / "trainer_state.json").write_text(json.dumps(state))
    run["model"].update(path=str(folder / "model"), hash=None, dtype="bfloat16")
    run.update(lora=json.loads((start / "adapter_config.json").read_text()), steps=run["steps"][:steps],
               parameters={"size": at, "tensors": tensors})
    for step in run["steps"]:
        step.pop("save", None)
    (folder / "hand-off" / "run.json").write_text(json.dumps(run))
    for shard in run["shards"]:
        os.symlink((given / shard["file"]).resolve(), folder / "hand-off" / shard["file"])
    return folder / "hand-off"


def by_runner(folder: Path, warm: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "fettle_runner", str(folder / "hand-off"), "--output", str(folder / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[2] / "python"), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    events = [json.loads(line) for line in (folder / "run" / "events.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["type"] == "step"]
    seconds = sum(step["tokens"] / step["tokens_per_second"] for step in steps[warm:])
    tokens = sum(step["tokens"] for step in steps[warm:])
    return {"tokens_per_second": tokens / seconds, "mib": events[-1]["peak_rss_mib"], "loss": [steps[0]["loss"], steps[-1]["loss"]],
            "how": events[0]["isa"]}


def trl(folder: Path, flat: bool, warm: int) -> dict[str, Any]:
    """TRL on those rows: `flat` keeps documents apart by their positions, without padding; else a row is one document."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    sys.path.insert(0, str(HERE.parents[2] / "python"))
    from fettle_runner.hand_off import HandOff

    given = HandOff(folder / "hand-off")
    rows: list[dict[str, Any]] = []
    for step in given.steps:
        for row in range(step["rows"][0], sum(step["rows"])):
            file, start, end = given.rows._place(row)
            documents = file.get_slice("document_ids")[start:end]
            rows.append({name: file.get_slice(name)[start:end].tolist() for name in ("input_ids", "labels")}
                        | {"seq_lengths": torch.bincount(documents.long()).tolist()})
    size = given.steps[0]["rows"][1]
    flash = importlib.util.find_spec("flash_attn") is not None
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.bfloat16,
                                                 attn_implementation="flash_attention_2" if flash else "sdpa")
    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1, "<unk>": 2}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            ends.append(time.monotonic())

    options = SFTConfig(
        output_dir=str(folder / "trl"), per_device_train_batch_size=size, max_steps=len(given.steps), learning_rate=1e-4,
        lr_scheduler_type="constant", bf16=torch.cuda.is_available(), gradient_checkpointing=False, padding_free=flat, max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True}, train_sampling_strategy="sequential", report_to="none", save_strategy="no",
        logging_steps=1, use_cpu=not torch.cuda.is_available(), disable_tqdm=True)
    trainer = SFTTrainer(model=model, args=options, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                         peft_config=LoraConfig(task_type="CAUSAL_LM", **LORA), callbacks=[Clock()])
    trainer.train()
    tokens = sum(step["tokens"] for step in given.steps[warm:])
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    mib = (torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available()
           else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return {"tokens_per_second": tokens / (ends[-1] - ends[warm - 1]), "mib": mib, "loss": [losses[0], losses[-1]],
            "how": f"{model.config._attn_implementation}, {'documents apart' if flat else 'rows as one document'}"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hand_off", type=Path)
    parser.add_argument("--out", type=Path, default=Path("/tmp/fettle-remote-gpu"))
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--trl", choices=("flat", "padded"), help="for this program itself: one run of TRL, in a process of its own")
    given = parser.parse_args()
    steps, warm = (4, 2) if given.tiny else (40, 10)
    if given.trl:
        print(json.dumps(trl(given.hand_off, given.trl == "flat", warm)))
        return 0
    slow = 0
    for shape in ("tiny",) if given.tiny else ("smollm2", "1b"):
        folder = given.out / f"{shape}-{os.getpid()}"
        make(shape, given.hand_off, folder, steps)
        found = {"fettle": by_runner(folder, warm)}
        for form in ("flat", "padded"):
            command = [sys.executable, str(HERE), str(folder), "--trl", form, *(["--tiny"] if given.tiny else [])]
            ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            lines = [line for line in ran.stdout.splitlines() if line.startswith('{"tokens_per_second"')]
            if lines:
                found[f"trl {form}"] = json.loads(lines[-1])
            else:
                print(f"{shape} trl {form}: exit {ran.returncode}\n{ran.stderr[-1500:]}", flush=True)
        for name, told in found.items():
            print(f"{shape:8} {name:10} {told['tokens_per_second']:10,.0f} tokens/s {told['mib']:9,.0f} MiB  loss "
                  f"{told['loss'][0]:.4f} to {told['loss'][1]:.4f}  {told['how']}", flush=True)
        best = max((told["tokens_per_second"] for name, told in found.items() if name != "fettle"), default=0.0)
        ratio = found["fettle"]["tokens_per_second"] / best if best else 0.0
        print(f"{shape:8} {ratio:.2f} times the faster of TRL's" if best else f"{shape:8} TRL did not run", flush=True)
        slow += ratio < 1.3
    return 0 if given.tiny else int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
