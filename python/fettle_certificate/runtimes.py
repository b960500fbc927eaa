"""llama.cpp, mlx-lm, and Transformers with PEFT: each loads a form, renders a request as it does itself, and gives logits."""

from __future__ import annotations

import importlib.metadata
from typing import Any

Form = dict[str, Any]
Request = dict[str, Any]


def packages(runtime: str, form: Form) -> list[str]:
    """What must be installed."""
    if runtime == "transformers":
        return ["torch", "transformers", *(["peft"] if form.get("adapter") else [])]
    return [runtime]


class LlamaCpp:
    """A GGUF file, with a LoRA file beside it where there is one; keys and values in float32."""

    def __init__(self, form: Form) -> None:
        import llama_cpp

        self.library = llama_cpp
        self.model = llama_cpp.Llama(form["model"], lora_path=form.get("adapter"), n_ctx=form["capacity"], logits_all=True,
                                     type_k=0, type_v=0, n_threads=form.get("threads"), verbose=False)

    def hello(self) -> dict[str, Any]:
        vocabulary = self.library.llama_model_get_vocab(self.model.model)
        stops = [i for i in range(self.model.n_vocab()) if self.library.llama_vocab_is_eog(vocabulary, i)]
        return {"name": "llama.cpp (llama-cpp-python)", "version": importlib.metadata.version("llama_cpp_python"), "stops": stops}

    def render(self, request: Request) -> tuple[str, list[int]]:
        if request["kind"] == "tokens":
            return self.model.detokenize(request["ids"], special=True).decode(errors="replace"), request["ids"]
        text = request["text"] if request["kind"] == "text" else self.template(request)
        vocabulary = self.library.llama_model_get_vocab(self.model.model)
        ids = self.model.tokenize(text.encode(), add_bos=False, special=True)
        bos = self.model.token_bos()
        # As its server does: the beginning of a text is there once.
        if self.library.llama_vocab_get_add_bos(vocabulary) and ids[:1] != [bos]:
            ids = [bos, *ids]
        return text, ids

    def template(self, request: Request) -> str:
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        def piece(token: int) -> str:
            return self.model.detokenize([token], special=True).decode() if token >= 0 else ""

        formatter = Jinja2ChatFormatter(template=self.model.metadata["tokenizer.chat_template"],
                                        bos_token=piece(self.model.token_bos()), eos_token=piece(self.model.token_eos()))
        return formatter(messages=request["messages"], tools=request.get("tools"), **request["variables"]).prompt

    def logits(self, ids: list[int], rows: int) -> Any:
        known = self.model.input_ids[: self.model.n_tokens].tolist()
        same = next((i for i, (a, b) in enumerate(zip(known, ids)) if a != b), min(len(known), len(ids)))
        self.model.n_tokens = min(same, len(ids) - rows)
        self.model.eval(ids[self.model.n_tokens:])
        return self.model.scores[len(ids) - rows: len(ids)]


class MlxLm:
    """A folder for mlx-lm, or one of a base with an adapter of it."""

    def __init__(self, form: Form) -> None:
        import mlx.core as mx
        from mlx_lm import load

        self.mx = mx
        self.model, self.tokenizer = load(form["model"], adapter_path=form.get("adapter"))
        self.known: list[int] = []
        self.cache: Any = None

    def hello(self) -> dict[str, Any]:
        return {"name": "mlx-lm", "version": importlib.metadata.version("mlx-lm"), "stops": sorted(self.tokenizer.eos_token_ids)}

    def render(self, request: Request) -> tuple[str, list[int]]:
        return render_with(self.tokenizer, request)

    def logits(self, ids: list[int], rows: int) -> Any:
        import numpy as np
        from mlx_lm.models.cache import make_prompt_cache

        if self.cache is None or ids[: len(self.known)] != self.known or len(self.known) > len(ids) - rows:
            self.cache, self.known = make_prompt_cache(self.model), []
        out = self.model(self.mx.array([ids[len(self.known):]]), cache=self.cache)
        self.known = list(ids)
        return np.array(out[0, -rows:].astype(self.mx.float32))


class Transformers:
    """A Hugging Face folder in float32, or one of a base with an adapter in PEFT."""

    def __init__(self, form: Form) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.torch = torch
        self.model = AutoModelForCausalLM.from_pretrained(form["model"], dtype=torch.float32).eval()
        self.name = "Transformers"
        folder = form["model"]
        if form.get("adapter"):
            from peft import PeftModel

            self.model = PeftModel.from_pretrained(self.model, form["adapter"]).eval()
            self.name, folder = "PEFT", form["adapter"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def hello(self) -> dict[str, Any]:
        stops = self.model.generation_config.eos_token_id
        ids = stops if isinstance(stops, list) else [] if stops is None else [stops]
        return {"name": self.name, "version": importlib.metadata.version(self.name.lower()), "stops": ids}

    def render(self, request: Request) -> tuple[str, list[int]]:
        return render_with(self.tokenizer, request)

    def logits(self, ids: list[int], rows: int) -> Any:
        with self.torch.no_grad():
            return self.model(input_ids=self.torch.tensor([ids]), logits_to_keep=rows).logits[0, -rows:].float().numpy()


def render_with(tokenizer: Any, request: Request) -> tuple[str, list[int]]:
    """A request by the template and tokenizer of Transformers."""
    if request["kind"] == "tokens":
        return tokenizer.decode(request["ids"]), request["ids"]
    if request["kind"] == "text":
        return request["text"], tokenizer.encode(request["text"])
    text = tokenizer.apply_chat_template(request["messages"], tools=request.get("tools"), add_generation_prompt=True, tokenize=False,
                                         **request["variables"])
    return text, tokenizer.encode(text, add_special_tokens=False)


runtimes = {"llama_cpp": LlamaCpp, "mlx_lm": MlxLm, "transformers": Transformers}
