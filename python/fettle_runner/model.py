"""The model that a hand-off names, with the adapter that training begins with; and packed documents that do not see each other."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peft import PeftModel
from transformers import AutoModelForCausalLM

from .errors import RunnerError
from .hand_off import HandOff, Rows

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_model(hand_off: HandOff, device: torch.device, path: str) -> Any:
    """
    The base, held as run.json says, with its adapter in float32; or the whole model, to be trained in float32. Raises RunnerError where
    another model lies there.
    """
    told = hand_off.run["model"]
    if told["hash"] is not None and Path(path).is_dir() and hash_base(Path(path)) != told["hash"]:
        raise RunnerError(path, "another model, by the hash of its weights", "the one that the hand-off was made with",
                          "Copy that one here, or prepare the run with this one.")
    is_whole = hand_off.run["lora"] is None
    dtype = DTYPES[told["dtype"]]
    extra: dict[str, Any] = {}
    if told["quantization"] is not None:
        extra = {"quantization_config": _quantization(told, dtype), "device_map": {"": device}}
    model = AutoModelForCausalLM.from_pretrained(hand_off.start if is_whole else path, attn_implementation="sdpa",
                                                 dtype=torch.float32 if is_whole else dtype, **extra)
    if not extra:
        model = model.to(device)
    # What is computed again saves memory and changes no number.
    if hand_off.run["gradient_checkpointing"]:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model if is_whole else PeftModel.from_pretrained(model, hand_off.start, is_trainable=True)


def core(model: Any) -> Any:
    """What Transformers made, within what PEFT put around it."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def _quantization(told: dict[str, Any], dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if told["quantization"] == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=told["quantization"], bnb_4bit_compute_dtype=dtype,
        bnb_4bit_use_double_quant=told["double_quantization"])


def hash_base(folder: Path) -> str:
    """As fettle's src/train/runs/base-hash.ts: config.json, and of each tensor its name, type, shape and the 4 KiB in its middle."""
    index = folder / "model.safetensors.index.json"
    names = set(json.loads(index.read_text("utf8"))["weight_map"].values()) if index.exists() else {"model.safetensors"}
    tensors: dict[str, tuple[Path, int, dict[str, Any]]] = {}
    for name in names:
        with (folder / name).open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        header.pop("__metadata__", None)
        tensors.update({key: (folder / name, 8 + size, info) for key, info in header.items()})
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for key in sorted(tensors):
        path, data, info = tensors[key]
        digest.update(f"{key} {info['dtype']} {','.join(map(str, info['shape']))}\n".encode())
        begin, end = info["data_offsets"]
        with path.open("rb") as file:
            file.seek(data + begin + max(0, end - begin - 4096) // 2)
            digest.update(file.read(min(4096, end - begin)))
    return f"sha256:{digest.hexdigest()}"


class Forward:
    """log P of the learned tokens of some rows, in one pass without padding, whatever keeps their documents apart."""

    def __init__(self, model: Any, base: Any, dtype: str) -> None:
        self.model, self.base, self.dtype = model, base, DTYPES[dtype]
        self.masks = False
        # Only what is learned from goes through the head.
        self.selects = "logits_to_keep" in inspect.signature(core(base).forward).parameters

    def log_probs(self, rows: Rows, model: Any = None) -> torch.Tensor:
        return -F.cross_entropy(self.logits(rows, model), rows.targets, reduction="none")

    def logits(self, rows: Rows, model: Any = None) -> torch.Tensor:
        """[m, vocabulary] float32"""
        extra: dict[str, Any] = {"logits_to_keep": rows.places} if self.selects else {}
        if self.masks:
            ids = rows.document_ids
            seen = (ids[:, None] == ids[None, :]).tril()
            extra["attention_mask"] = torch.zeros_like(seen, dtype=self.dtype).masked_fill(
                ~seen, torch.finfo(self.dtype).min)[None, None]
        # Without use_cache=False Transformers takes a pack for one document, and says nothing.
        with torch.autocast(rows.input_ids.device.type, self.dtype, enabled=self.dtype != torch.float32 and self.base is core(self.base)):
            out = (model or self.model)(input_ids=rows.input_ids[None], position_ids=rows.position_ids[None],
                                        use_cache=False, **extra).logits[0]
        return (out if self.selects else out[rows.places]).float()

    def keep_apart(self, given: Rows | None, attention: str) -> str:
        """
        Finds a way of attention by which packed documents do not see each other, and sees that on this model: an answer of a later
        document is the same beside other documents and alone. Raises RunnerError where there is none.
        """
        on_gpu = next(self.base.parameters()).is_cuda
        wanted = [attention] if attention != "auto" else [*(["flash_attention_2", "flex_attention"] if on_gpu else []),
                                                          "sdpa", "eager"]
        found = []
        for name in wanted:
            for masks in (False, True) if name in ("sdpa", "eager") else (False,):
                self.masks = masks
                try:
                    core(self.base).set_attn_implementation(name)
                    apart = 0.0 if given is None else self._difference(given)
                except (ImportError, ValueError, RuntimeError, NotImplementedError) as error:
                    found.append(f"{name}: {str(error)[:100]}")
                    continue
                if apart <= (2e-3 if self.dtype == torch.float32 else 0.15):
                    return f"{name}{' with a mask' if masks else ''}"
                found.append(f"{name}{' with a mask' if masks else ''}: {apart:.2g} apart")
        raise RunnerError("attention", f"packed documents that see each other ({'; '.join(found)})",
                          "log-probabilities that are the same beside other documents",
                          "Set packing: false, or train this model on fettle's own engine.")

    def _difference(self, rows: Rows) -> float:
        """Mean over the tokens behind the first document: what each log-probability changes by when that one is another, or gone."""
        first = rows.document_ids == 0
        later = ~first[rows.places]
        other = Rows(**{**vars(rows), "input_ids": torch.where(first, rows.input_ids.flip(0), rows.input_ids)})
        count = int(first.sum())
        alone = Rows(**{**vars(rows), "input_ids": rows.input_ids[count:], "position_ids": rows.position_ids[count:],
                        "document_ids": rows.document_ids[count:] - 1, "places": rows.places[later] - count,
                        "targets": rows.targets[later], "row_of": rows.row_of[later]})
        training = self.model.training
        self.model.eval()
        with torch.no_grad():
            packed, beside, single = (self.log_probs(each) for each in (rows, other, alone))
        self.model.train(training)
        return max(float((packed[later] - each).abs().mean()) for each in (beside[later], single))


def probe(hand_off: HandOff) -> Rows | None:
    """Two documents, cut short, of one row where rows hold several, else of two rows; None where there are none of two tokens."""
    for row in range(min(64, hand_off.rows.count - 1)):
        rows = hand_off.rows.read([row, row + 1])
        kept = [torch.nonzero(rows.document_ids == document).flatten()[:192] for document in (0, 1)]
        keep = torch.cat(kept)
        lengths = [len(each) for each in kept]
        if min(lengths) < 2:
            continue
        places = torch.cat([torch.arange(lengths[0] - 1), lengths[0] + torch.arange(lengths[1] - 1)])
        ids = rows.input_ids[keep]
        return Rows(input_ids=ids, position_ids=rows.position_ids[keep], document_ids=rows.document_ids[keep],
                    places=places, targets=ids[places + 1], row_of=torch.zeros_like(places),
                    document_of=torch.zeros_like(places), token_weights=None, reference=None, rows=[row])
    return None


@contextmanager
def reference_of(model: PeftModel) -> Iterator[None]:
    """The model without its adapter, and without gradients."""
    with torch.no_grad(), model.disable_adapter():
        yield
