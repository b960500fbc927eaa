"""SHA-256 of logs that the writer of PyPI wandb 0.19.11 makes of records of some sizes; for trackers.test.ts.

Needs wandb/sdk/internal/datastore.py of its wheel alone: record_wandb.py FOLDER_OF_THE_UNPACKED_WHEEL
"""
import hashlib, importlib.util, os, sys, tempfile, types

# The file imports the package for its error messages only.
sys.modules["wandb"] = types.ModuleType("wandb")
sys.modules["wandb"]._assert_is_internal_process = True
place = os.path.join(sys.argv[1], "wandb", "sdk", "internal", "datastore.py")
spec = importlib.util.spec_from_file_location("datastore", place)
datastore = importlib.util.module_from_spec(spec)
spec.loader.exec_module(datastore)

for sizes in ([1, 10, 100], [32768 - 7 - 7 - 7 - 3, 5, 70000, 32740]):
    path = os.path.join(tempfile.mkdtemp(), "log.wandb")
    store = datastore.DataStore()
    store.open_for_write(path)
    for i, size in enumerate(sizes):
        store._write_data(bytes((at * 7 + i) % 251 for at in range(size)))
    store.close()
    print(",".join(map(str, sizes)), hashlib.sha256(open(path, "rb").read()).hexdigest())
