"""What llama.cpp makes of GGUF files: python llama_cpp_side.py IDS OUT MODEL [LORA]

IDS has "prompts" (token ids), how many "tokens" to add, "guesses" at what these are, and where the file has a vocabulary "messages" that its own
template renders. OUT gets logits behind each prompt, greedy tokens until one that llama.cpp itself takes for an end, and the rendered texts with
their tokens. A guess saves time and changes nothing: it is read in one pass, and left where llama.cpp's likeliest token is another one.
"""
import json
import sys

import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

ids = json.load(open(sys.argv[1]))
model = llama_cpp.Llama(sys.argv[3], lora_path=sys.argv[4] if len(sys.argv) > 4 else None, logits_all=True, type_k=0, type_v=0,
                        verbose=False, n_ctx=ids.get("context", 1024), n_threads=ids.get("threads", 2))
vocabulary = llama_cpp.llama_model_get_vocab(model.model)
rows = []
guesses = ids.get("guesses") or [[] for _ in ids["prompts"]]
for prompt, guess in zip(ids["prompts"], guesses):
    model.reset()
    model.eval(prompt + guess[:-1])
    logits = model.scores[len(prompt) - 1].tolist()
    greedy = []
    while len(greedy) < ids["tokens"]:
        token = int(model.scores[len(prompt) + len(greedy) - 1].argmax())
        greedy.append(token)
        if llama_cpp.llama_vocab_is_eog(vocabulary, token):
            break
        if len(greedy) >= len(guess) or greedy != guess[:len(greedy)]:
            model.n_tokens = len(prompt) + len(greedy) - 1
            model.eval([token])
    rows.append({"logits": logits, "greedy": greedy, "stopped": bool(llama_cpp.llama_vocab_is_eog(vocabulary, greedy[-1]))})
texts, tokens = [], []
if ids.get("messages"):

    def piece(token):
        return model.detokenize([token], special=True).decode() if token >= 0 else ""

    template = Jinja2ChatFormatter(template=model.metadata["tokenizer.chat_template"], bos_token=piece(model.token_bos()),
                                   eos_token=piece(model.token_eos()))
    texts = [template(messages=messages).prompt for messages in ids["messages"]]
    tokens = [model.tokenize(text.encode(), add_bos=False, special=True) for text in texts]
json.dump({"rows": rows, "texts": texts, "tokens": tokens}, open(sys.argv[2], "w"))
