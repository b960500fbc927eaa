"""Records how `datasets` mixes and shuffles, for test/data/mix/order.test.ts.

Run with the Python of the peers (datasets 5.2, numpy 2.4):
    /work/peers/venv/bin/python test/data/mix/record_mixing.py > test/fixtures/mixing.json
"""

import json

import datasets
import numpy as np
from datasets import Dataset, IterableDataset, interleave_datasets

STRATEGIES = ["first_exhausted", "all_exhausted", "all_exhausted_without_replacement"]


def numbers(seed):
    rng = np.random.default_rng(seed)
    return {
        "seed": seed,
        "doubles": [rng.random() for _ in range(3)],
        "permutations": [rng.permutation(n).tolist() for n in (10, 7, 33)],
        "last": rng.random(),
    }


def mixture(lengths, weights, seed, strategy):
    sources = [
        Dataset.from_dict({"a": [100 * i + j for j in range(n)]}) for i, n in enumerate(lengths)
    ]
    total = sum(weights)
    probabilities = [w / total for w in weights]
    mixed = interleave_datasets(
        sources, probabilities=probabilities, seed=seed, stopping_strategy=strategy
    )
    return {
        "lengths": lengths,
        "weights": weights,
        "seed": seed,
        "strategy": strategy,
        "items": list(mixed["a"]),
    }


def count_to(n):
    for i in range(n):
        yield {"a": i}


def shuffled(count, size, seed):
    stream = IterableDataset.from_generator(count_to, gen_kwargs={"n": count})
    items = [row["a"] for row in stream.shuffle(seed=seed, buffer_size=size)]
    return {"count": count, "size": size, "seed": seed, "items": items}


print(
    json.dumps(
        {
            "versions": {"datasets": datasets.__version__, "numpy": np.__version__},
            "numbers": [numbers(seed) for seed in (0, 42, 2**32 - 1)],
            "mixtures": [
                mixture(lengths, weights, seed, strategy)
                for strategy in STRATEGIES
                for lengths, weights, seed in [
                    ([3, 3, 3], [0.7, 0.2, 0.1], 42),
                    ([20, 5], [0.5, 0.5], 0),
                    ([4, 30, 9], [1, 6, 2], 7),
                    ([5], [1], 3),
                ]
            ],
            "shuffles": [
                shuffled(*case) for case in [(40, 10, 42), (23, 7, 0), (5, 100, 1), (12, 2, 9), (10, 10, 4)]
            ],
        },
        separators=(",", ":"),
    )
)
