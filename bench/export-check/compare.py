"""Compares GGUF files that fettle wrote with those of llama.cpp's converter and quantiser, key for key and byte for byte.

    python compare.py LLAMA_CPP MODEL FOLDER
FOLDER has fettle's TYPE.gguf; LLAMA_CPP is a copy of llama.cpp (conversion/, gguf-py/). Prints a JSON line a file.
"""
import ctypes
import json
import os
import sys
import tempfile
from pathlib import Path

llama_cpp_folder, model_folder, folder = map(Path, sys.argv[1:4])
sys.path.insert(0, str(llama_cpp_folder / "gguf-py"))
sys.path.insert(1, str(llama_cpp_folder))
import gguf  # noqa: E402
import llama_cpp  # noqa: E402
import numpy as np  # noqa: E402
from conversion import get_model_class  # noqa: E402
from conversion.base import ModelBase, ModelType, get_model_architecture  # noqa: E402

converted = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16, "bf16": gguf.LlamaFileType.MOSTLY_BF16,
             "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
quantised = {"q4_0": 2, "q4_k": 15, "q6_k": 18}
names = ("general.name", "general.basename", "general.finetune", "general.version", "general.organization", "general.size_label")


def convert(file_type, out):
    hparams = ModelBase.load_hparams(model_folder, False)
    get_model_class(get_model_architecture(hparams, ModelType.TEXT))(model_folder, converted[file_type], out).write()


def quantise(source, file_type, out):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = quantised[file_type]
    if llama_cpp.llama_model_quantize(str(source).encode(), str(out).encode(), ctypes.byref(params)) != 0:
        raise RuntimeError(f"{file_type} was not quantised")


def metadata(reader):
    return {key: field.contents() for key, field in reader.fields.items() if not key.startswith(("GGUF.", *names))}


def compare(ours, theirs):
    a, b = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
    keys_a, keys_b = metadata(a), metadata(b)
    tensors_a, tensors_b = ({t.name: t for t in reader.tensors} for reader in (a, b))
    other = []
    for name in sorted(set(tensors_a) | set(tensors_b)):
        x, y = tensors_a.get(name), tensors_b.get(name)
        if x is None or y is None or x.tensor_type != y.tensor_type or list(x.shape) != list(y.shape):
            other.append([name, x and x.tensor_type.name, y and y.tensor_type.name])
        elif not np.array_equal(x.data, y.data):
            other.append([name, int(np.sum(x.data.view(np.uint8) != y.data.view(np.uint8))), "bytes differ"])
    return {"keys": len(keys_b), "other_keys": [k for k in sorted(set(keys_a) | set(keys_b)) if keys_a.get(k) != keys_b.get(k)],
            "tensors": len(tensors_b), "other_tensors": other[:10], "other_tensor_count": len(other)}


with tempfile.TemporaryDirectory() as temporary:
    base = Path(temporary) / "f32.gguf"
    convert("f32", base)
    for path in sorted(folder.glob("*.gguf")):
        theirs = Path(temporary) / "theirs.gguf"
        if path.stem in converted:
            convert(path.stem, theirs)
        elif path.stem in quantised:
            quantise(base, path.stem, theirs)
        else:
            continue
        print(json.dumps({"file": path.name, **compare(path, theirs)}), flush=True)
        os.remove(theirs)
