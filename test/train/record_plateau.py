"""Records the learning rates of PyTorch's ReduceLROnPlateau.

Run:  python test/train/record_plateau.py > test/fixtures/optimisers/plateau.json
"""

import json
import random

import torch

random.seed(3)
values = [round(2 - 0.05 * min(i, 8) + random.choice([0, 0.01, -0.02, 0.15]) + (0.3 if 20 < i < 28 else 0), 3) for i in range(40)]
cases = [
    {},
    {"patience": 2, "factor": 0.5},
    {"patience": 1, "factor": 0.5, "threshold": 0.05, "threshold_mode": "abs"},
    {"patience": 1, "factor": 0.3, "cooldown": 3, "min_lr": 1e-4},
    {"mode": "max", "patience": 2, "factor": 0.5, "threshold": 0.01},
    {"patience": 0, "factor": 0.1, "eps": 1e-4},
]
record = {"values": values, "cases": []}
for options in cases:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1e-2)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, **options)
    rates = []
    for value in values:
        schedule.step(value)
        rates.append(optimiser.param_groups[0]["lr"])
    record["cases"].append({"options": options, "rates": rates})
print(json.dumps(record))
