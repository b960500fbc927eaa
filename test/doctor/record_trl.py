"""Makes the run of TRL whose small files are in test/fixtures/doctor/trl.

    pip install trl==1.16.0 peft==0.21.2 transformers==5.23.0 datasets
    python test/doctor/record_trl.py     # in the repository's root; then copy runs/trl without weights and tokenizer.json
"""

import json

import torch
from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

torch.manual_seed(0)
with open("assets/demo.jsonl") as file:
    rows = [{"messages": json.loads(line)["messages"]} for line in list(file)[:24]]
trainer = SFTTrainer(
    model="assets/tiny-llama",
    args=SFTConfig(
        output_dir="runs/trl",
        max_steps=4,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        learning_rate=2e-4,
        logging_steps=1,
        save_steps=2,
        max_length=256,
        report_to=[],
        use_cpu=True,
        bf16=False,
    ),
    train_dataset=Dataset.from_list(rows),
    peft_config=LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
)
trainer.train()
trainer.save_model()
trainer.save_state()
