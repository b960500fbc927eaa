"""What PEFT 0.21's IncrementalPCA makes of three batches whose numbers are a formula, in ../fixtures/peft/pca.json.

Run:  python test/peft/record_pca.py
The sides are longer than those that fettle decomposes exactly: both sides use their randomised method.
"""
import json, os
import numpy
import torch
from peft.utils.incremental_pca import IncrementalPCA

columns, count = 160, 6
rows = [200, 180, 220]


def batch(n, size):
    i, j = numpy.arange(size)[:, None] + 1000.0 * n, numpy.arange(columns)[None, :]
    x = 0.3 * numpy.cos(0.01 * j)
    for k in range(12):
        x = x + 3.0 / (1 + k) ** 1.5 * numpy.sin(1.7 * (k + 1) * i + k) * numpy.cos(0.23 * (k + 1) * j + 0.5 * k)
    return torch.tensor(x.astype(numpy.float32))


pca = IncrementalPCA(n_components=count, lowrank=True, lowrank_seed=42)
for n, size in enumerate(rows):
    pca.partial_fit(batch(n, size))
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "peft", "pca.json")
json.dump({"rows": rows, "columns": columns, "count": count, "vectors": [[round(float(v), 7) for v in row] for row in pca.components_],
           "singularValues": [float(v) for v in pca.singular_values_], "ratios": [float(v) for v in pca.explained_variance_ratio_]}, open(out, "w"))
print(pca.singular_values_)
