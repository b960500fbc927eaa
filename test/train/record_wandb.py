"""SHA-256 of logs that PyPI wandb 0.19's own writer makes of records of some sizes; for trackers.test.ts."""
import hashlib, os, tempfile
from wandb.sdk.internal.datastore import DataStore

for sizes in ([0, 10, 100], [32768 - 7 - 7 - 7 - 3, 5, 70000, 32740]):
    path = os.path.join(tempfile.mkdtemp(), "log.wandb")
    store = DataStore()
    store.open_for_write(path)
    for i, size in enumerate(sizes):
        store._write_data(bytes((at * 7 + i) % 251 for at in range(size)))
    store.close()
    print(",".join(map(str, sizes)), hashlib.sha256(open(path, "rb").read()).hexdigest())
