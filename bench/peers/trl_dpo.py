"""The peer: TRL DPOTrainer + PEFT LoRA on this machine's CPU. Prints one JSON line of what it took.

python trl_dpo.py MODEL PAIRS.jsonl --steps 4 --batch 4 --max-length 1024 --dtype bfloat16
"""
import argparse, json, resource, time

p = argparse.ArgumentParser()
p.add_argument("model"); p.add_argument("data")
p.add_argument("--steps", type=int, default=4); p.add_argument("--batch", type=int, default=4)
p.add_argument("--max-length", type=int, default=1024); p.add_argument("--dtype", default="bfloat16")
p.add_argument("--rank", type=int, default=16)
a = p.parse_args()
import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

tok = AutoTokenizer.from_pretrained(a.model)
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype))
ds = load_dataset("json", data_files=a.data, split="train").select(range(a.steps * a.batch))


class Clock(TrainerCallback):
    def __init__(self): self.t = []; self.loss = []; self.tokens = 0
    def on_step_end(self, *_, **__): self.t.append(time.perf_counter())
    def on_log(self, args, state, control, logs=None, **__):
        if logs and "loss" in logs: self.loss.append(float(logs["loss"])); self.tokens = logs.get("num_tokens", 0)


clock = Clock()
cfg = DPOConfig(output_dir="trl-out", max_steps=a.steps, per_device_train_batch_size=a.batch, max_length=a.max_length, learning_rate=1e-5,
                lr_scheduler_type="constant", logging_steps=1, report_to=[], save_strategy="no", use_cpu=True, bf16=False, fp16=False,
                gradient_checkpointing=False, disable_tqdm=True, seed=1, train_sampling_strategy="sequential")
lora = LoraConfig(r=a.rank, lora_alpha=2 * a.rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
trainer = DPOTrainer(model=model, args=cfg, train_dataset=ds, processing_class=tok, peft_config=lora, callbacks=[clock])
trainer.train()
seconds = (clock.t[-1] - clock.t[0]) / (len(clock.t) - 1)
print(json.dumps({"pairsPerSecond": a.batch / seconds, "tokensPerSecond": clock.tokens / a.steps / seconds,
                  "peakMib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "loss": clock.loss[0]}))
