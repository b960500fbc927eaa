"""Makes the steps of a run that fettle prepared, with PyTorch: on this machine, under torchrun, on a Ray cluster.

What it reads is a hand-off (docs/remote.md): tokens, positions, documents, learning rates, the adapter that training begins with.
So it knows no tokenizer, template, collator or trainer. What it writes are checkpoints and events as fettle has them.
"""
