"""Writes a small quantised GGUF file in which one row of the embedding and one of the head were never trained.

    pip install gguf==0.19.0 numpy
    python test/doctor/record_gguf.py
"""

from pathlib import Path

import gguf
import numpy as np

path = Path(__file__).parent.parent / "fixtures" / "doctor" / "untrained-q8_0.gguf"
random = np.random.default_rng(1)
writer = gguf.GGUFWriter(path, "llama")
writer.add_context_length(128)
writer.add_embedding_length(32)
writer.add_block_count(0)
for name, row in [("token_embd.weight", 598), ("output.weight", 599)]:
    values = random.normal(0, 0.1, (600, 32)).astype(np.float32)
    values[row] *= 1e-4
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
