"""Transformers' side of bench/chat-throughput: apply_chat_template with the generation mask.

python transformers_side.py MODEL DATA ROUNDS -> one JSON line {"unseen", "rounds": [{"seconds", "cpuSeconds"}], "tokens", "learned"}
The model's own template has no {% generation %} tags; TEMPLATE is that template with them.
"""
import json, sys, time
from transformers import AutoTokenizer

TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endif %}{% endfor %}"
)

model, data, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
tokenizer = AutoTokenizer.from_pretrained(model)
chats = [json.loads(line)["messages"] for line in open(data)]


def apply(part):
    start, cpu = time.perf_counter(), time.process_time()
    encoded = tokenizer.apply_chat_template(part, chat_template=TEMPLATE, return_assistant_tokens_mask=True, return_dict=True)
    return encoded, {"seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - cpu}


half = len(chats) // 2
apply(chats[:half])  # compiles the template and fills the tokenizer's cache
encoded, unseen = apply(chats[half:])
unseen["tokens"] = sum(map(len, encoded["input_ids"]))
measured = []
for _ in range(rounds):
    encoded, round_ = apply(chats)
    measured.append(round_)
tokens = sum(map(len, encoded["input_ids"]))
print(json.dumps({"unseen": unseen, "rounds": measured, "tokens": tokens, "learned": sum(map(sum, encoded["assistant_masks"]))}))
