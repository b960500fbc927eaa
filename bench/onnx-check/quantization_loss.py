"""What few bits cost an ONNX export, beside onnxruntime's own quantiser of the same numbers:

    fettle inspect --model MODEL --data docs.jsonl --json | head -50 > rows.jsonl
    python quantization_loss.py FOLDER rows.jsonl [NAME...]

FOLDER is an export with f32, q4 and q8. Prints for each file, and for each way of rounding the float file's weights, the mean loss of learned
tokens, the divergence from the float file (KL, nats) and how often the likeliest token is the same. Needs onnx, onnxruntime, numpy.
"""
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnxruntime.capi._pybind_state import quantize_matmul_4bits, quantize_matmul_8bits

folder = Path(sys.argv[1]) / "onnx"
rows = [json.loads(line) for line in open(sys.argv[2])]
rows = [(row["input_ids"], row["mask"]) for row in rows if len(row["input_ids"]) <= 512]
wanted = sys.argv[3:]


def run(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model if isinstance(model, (str, bytes)) else str(model), options, providers=["CPUExecutionProvider"])
    half = any(each.name == "logits" and "float16" in each.type for each in session.get_outputs())
    out = []
    for ids, mask in rows:
        feeds = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64), "num_logits_to_keep": np.array(0, np.int64)}
        for each in session.get_inputs():
            if each.name.startswith("past"):
                shape = [size if isinstance(size, int) else 1 if size == "batch_size" else 0 for size in each.shape]
                feeds[each.name] = np.zeros(shape, np.float16 if "float16" in each.type else np.float32)
        logits = session.run(["logits"], feeds)[0][0].astype(np.float64 if half else np.float32)
        learned = [i for i in range(1, len(ids)) if mask[i]]
        kept = logits[[i - 1 for i in learned]].astype(np.float64)
        kept -= np.log(np.exp(kept - kept.max(-1, keepdims=True)).sum(-1, keepdims=True)) + kept.max(-1, keepdims=True)
        out.append((kept.astype(np.float32), [ids[i] for i in learned]))
    return out


def tell(name, found, reference):
    loss, kl, same, count = 0.0, 0.0, 0, 0
    for (q, targets), (p, _) in zip(found, reference):
        count += len(targets)
        loss -= q[np.arange(len(targets)), targets].sum()
        kl += (np.exp(p) * (p - q)).sum()
        same += (p.argmax(-1) == q.argmax(-1)).sum()
    print(json.dumps({"name": name, "tokens": count, "loss": round(float(loss / count), 4), "kl": round(float(kl / count), 5),
                      "likeliest": round(float(same / count), 4)}), flush=True)


def rounded(weight, bits, block, symmetric):
    """[rows, columns] as onnxruntime's MatMulNBitsQuantizer rounds them."""
    n, k = weight.shape
    blocks = (k + block - 1) // block
    transposed = np.zeros((blocks * block, n), np.float32)
    transposed[:k] = weight.T
    packed = np.zeros((n, blocks, block * bits // 8), np.uint8)
    scales = np.zeros((n, blocks), np.float32)
    zeros = np.zeros((n, (blocks * bits + 7) // 8), np.uint8)
    (quantize_matmul_4bits if bits == 4 else quantize_matmul_8bits)(packed, transposed, scales, zeros, block, n, blocks * block, symmetric)
    if bits == 4:
        codes = np.stack([packed & 15, packed >> 4], -1).reshape(n, blocks, block)
        points = np.stack([zeros & 15, zeros >> 4], -1).reshape(n, -1)[:, :blocks]
    else:
        codes, points = packed.reshape(n, blocks, block), zeros
    middle = np.full((n, blocks), 1 << (bits - 1)) if symmetric else points
    values = (codes.astype(np.float32) - middle[..., None].astype(np.float32)) * scales[..., None]
    return values.reshape(n, blocks * block)[:, :k]


def variant(change):
    """The float model with some weights changed; `change` gets a name and numbers, and gives numbers or None."""
    model = onnx.load(folder / "model.onnx")
    used = {node.input[1] for node in model.graph.node if node.op_type == "Gemm"}
    gathered = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    for initializer in model.graph.initializer:
        if initializer.name not in used:
            continue
        new = change(initializer.name in gathered, numpy_helper.to_array(initializer))
        if new is None:
            continue
        if initializer.name in gathered:
            # The head alone: what the embedding reads stays.
            copy = numpy_helper.from_array(new.astype(np.float32), initializer.name + ".head")
            model.graph.initializer.append(copy)
            for node in model.graph.node:
                if node.op_type == "Gemm" and node.input[1] == initializer.name:
                    node.input[1] = copy.name
        else:
            initializer.CopyFrom(numpy_helper.from_array(new.astype(np.float32), initializer.name))
    return model.SerializeToString()


def with_accuracy_level(name, level):
    """The graph with MatMulNBits at an accuracy_level, or at none."""
    model = onnx.load(folder / name)
    for node in model.graph.node:
        if node.op_type == "MatMulNBits":
            kept = [each for each in node.attribute if each.name != "accuracy_level"]
            del node.attribute[:]
            node.attribute.extend(kept)
            if level is not None:
                node.attribute.append(onnx.helper.make_attribute("accuracy_level", level))
    return model.SerializeToString()


def ort_rounding(bits, block, symmetric, head_bits):
    def change(is_head, values):
        own = head_bits if is_head else bits
        return None if own is None else rounded(values, own, block, symmetric)

    return lambda: variant(change)


cases = {
    "fettle f16": lambda: folder / "model_fp16.onnx",
    "fettle q8": lambda: folder / "model_quantized.onnx",
    "fettle q8, activations not rounded": lambda: with_accuracy_level("model_quantized.onnx", None),
    "fettle q4": lambda: folder / "model_q4.onnx",
    "fettle q4, activations not rounded": lambda: with_accuracy_level("model_q4.onnx", None),
    "fettle q4, activations rounded": lambda: with_accuracy_level("model_q4.onnx", 4),
    "fettle q4f16": lambda: folder / "model_q4f16.onnx",
    "onnxruntime q8 symmetric 32": ort_rounding(8, 32, True, 8),
    "onnxruntime q4 symmetric 32, head float": ort_rounding(4, 32, True, None),
    "onnxruntime q4 symmetric 32, head 8 bits": ort_rounding(4, 32, True, 8),
    "onnxruntime q4 symmetric 32, head 4 bits": ort_rounding(4, 32, True, 4),
    "onnxruntime q4 zero points 32, head float": ort_rounding(4, 32, False, None),
    "onnxruntime q4 zero points 32, head 8 bits": ort_rounding(4, 32, False, 8),
    "onnxruntime q4 zero points 128, head float": ort_rounding(4, 128, False, None),
}
reference = run(folder / "model.onnx")
tell("fettle f32", reference, reference)
for name, make in cases.items():
    if wanted and not any(each in name for each in wanted):
        continue
    made = make()
    if isinstance(made, Path) and not made.exists():
        continue
    tell(name, run(made if isinstance(made, bytes) else str(made)), reference)
