"""Records what PiSSA and OLoRA leave of small matrices, in float64: W − Σ σ u vᵀ over the three largest singular values, and
W − 2 Q₃Q₃ᵀW with the first three columns of W = QR.

Run:  python test/peft/record_initial_parts.py > test/fixtures/peft/initial-parts.json
Made with numpy 2.x.
"""

import json
import sys

import numpy as np

random = np.random.default_rng(5)


def matrix(rows, columns):
    return random.normal(size=(rows, columns)).astype(np.float32)


orthogonal = np.linalg.qr(random.normal(size=(12, 12)))[0]
# Five singular values alike, of which no three are the largest; and three alike, which are.
alike = (orthogonal * ([5.0] * 3 + [1.0] * 9)) @ np.linalg.qr(random.normal(size=(12, 12)))[0]
weights = {
    "wide": matrix(9, 20),
    "tall": matrix(20, 9),
    "square": matrix(13, 13),
    "large": matrix(14, 18) * np.float32(1000),
    "small": matrix(11, 11) * np.float32(1e-6),
    "three alike": alike.astype(np.float32),
    "rank two": (matrix(10, 2) @ matrix(2, 14)).astype(np.float32),
    "two rows": matrix(2, 7),
    "one entry a row": np.diag(np.arange(1, 9)).astype(np.float32),
}
cases = []
for name, weight in weights.items():
    w = weight.astype(np.float64)
    u, s, v = np.linalg.svd(w, full_matrices=False)
    q, _ = np.linalg.qr(w)
    cases.append(
        {
            "name": name,
            "columns": w.shape[1],
            "weight": [float(x) for x in weight.flatten()],
            "pissa": [float(f"{x:.9g}") for x in (w - (u[:, :3] * s[:3]) @ v[:3]).flatten()],
            # The third column of rank two leaves the third direction open.
            "olora": None if name == "rank two" else [float(f"{x:.9g}") for x in (w - 2 * q[:, :3] @ (q[:, :3].T @ w)).flatten()],
        }
    )
json.dump(cases, sys.stdout, separators=(",", ":"))
