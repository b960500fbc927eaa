"""TRL's side of bench/prepare-speed: SFTTrainer's preparation of a JSONL file, with nothing in the datasets cache.

python trl_side.py MODEL DATA MAX_LENGTH PROCESSES -> one JSON line {"seconds", "rows", "tokens", "learned"}
The model's own template has no {% generation %} tags; TEMPLATE is that template with them. Timed is what the constructor does
(template, mask, tokens, truncation, packing), behind reading the file.
"""
import json, sys, tempfile, time
import torch
from datasets import load_dataset
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endif %}{% endfor %}"
)

model_path, data, max_length, processes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
tokenizer = AutoTokenizer.from_pretrained(model_path)
tokenizer.chat_template = TEMPLATE
config = AutoConfig.from_pretrained(model_path)
# What is prepared does not depend on the weights: a model of one layer is made at once.
config.num_hidden_layers = 1
model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
with tempfile.TemporaryDirectory() as folder:
    begun = time.perf_counter()
    rows = load_dataset("json", data_files=data, split="train", cache_dir=folder + "/cache")
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=rows,
        args=SFTConfig(
            output_dir=folder + "/out",
            max_length=max_length,
            packing=True,
            assistant_only_loss=True,
            dataset_num_proc=processes if processes > 1 else None,
            report_to=[],
            use_cpu=True,
            bf16=False,
        ),
    )
    seconds = time.perf_counter() - begun
    packed = trainer.train_dataset
    tokens = sum(len(ids) for ids in packed["input_ids"])
    learned = sum(label != -100 for labels in packed["labels"] for label in labels)
print(json.dumps({"seconds": seconds, "rows": len(rows), "packs": len(packed), "tokens": tokens, "learned": learned}))
