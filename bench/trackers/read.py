"""What a tracker's own program reads of a run of fettle: losses by step, learning_rate, how many runs there are. read.py NAME FOLDER"""
import glob, json, os, sys

name, folder = sys.argv[1:3]


def wandb():
    # The reader of PyPI wandb up to 0.19; later ones read the same files in Go.
    from wandb.proto import wandb_internal_pb2 as pb
    from wandb.sdk.internal.datastore import DataStore

    files = glob.glob(os.path.join(folder, "wandb", "offline-run-*", "*.wandb"))
    losses, config, tables = {}, {}, 0
    for file in files:
        store = DataStore()
        store.open_for_scan(file)
        while (data := store.scan_data()) is not None:
            record = pb.Record()
            record.ParseFromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                config.update({item.key: json.loads(item.value_json) for item in record.run.config.update})
            if kind == "history":
                row = {item.key: json.loads(item.value_json) for item in record.history.item}
                if "samples" in row:
                    table = row["samples"]
                    path = os.path.join(os.path.dirname(file), "files", table["path"])
                    assert table["_type"] == "table-file" and os.path.getsize(path) == table["size"]
                    assert len(json.load(open(path))["data"]) == table["nrows"]
                    tables += 1
                if "train/loss" in row:
                    assert record.history.step.num == row["_step"]
                    assert row["_step"] not in losses
                    losses[row["_step"]] = row["train/loss"]
    assert tables > 1
    return losses, config["learning_rate"], len(files)


def mlflow():
    from mlflow.tracking import MlflowClient

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    runs = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(runs[0].info.run_id, "train/loss")
    assert runs[0].info.status == "FINISHED", runs[0].info.status
    assert len({m.step for m in history}) == len(history), "a step twice"
    return {m.step: m.value for m in history}, runs[0].data.params["learning_rate"], len(runs)


def trackio():
    from trackio import fragments
    from trackio.sqlite_storage import SQLiteStorage

    fragments.import_inbox_dir()
    runs = SQLiteStorage.get_runs("fettle")
    rows = SQLiteStorage.get_logs("fettle", runs[0])
    config = SQLiteStorage.get_run_config("fettle", runs[0])
    steps = [r["step"] for r in rows if "train/loss" in r]
    assert len(set(steps)) == len(steps), "a step twice"
    assert any(r.get("samples", {}).get("_type") == "trackio.table" for r in rows)
    return {r["step"]: r["train/loss"] for r in rows if "train/loss" in r}, config["learning_rate"], len(runs)


def tensorboard():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(os.path.join(folder, "tensorboard"))
    events.Reload()
    losses = events.Scalars("train/loss")
    assert len({e.step for e in losses}) == len(losses), "a step twice"
    options = events.Tensors("options")[0].tensor_proto.string_val[0].decode()
    rate = [line.split("|")[2].strip() for line in options.splitlines() if line.startswith("| learning_rate |")]
    return {e.step: e.value for e in losses}, rate[0], 1


readers = {"wandb": wandb, "mlflow": mlflow, "trackio": trackio, "tensorboard": tensorboard}
losses, rate, runs = readers[name]()
print(json.dumps({"losses": losses, "learningRate": str(rate), "runs": runs}))
