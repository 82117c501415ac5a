"""Prints what W&B's own reader finds in the .wandb files of a folder, as one JSON object."""

import glob
import importlib.util
import json
import sys
import types

# The package without its __init__, which imports much that reading does not need.
package = types.ModuleType("wandb")
package.__path__ = importlib.util.find_spec("wandb").submodule_search_locations
sys.modules["wandb"] = package
for name in ("wandb.sdk", "wandb.sdk.internal"):
    module = types.ModuleType(name)
    module.__path__ = [f"{path}/{name.removeprefix('wandb.').replace('.', '/')}" for path in package.__path__]
    sys.modules[name] = module

from wandb.proto import wandb_internal_pb2  # noqa: E402
from wandb.sdk.internal.datastore import DataStore  # noqa: E402


def entries(items):
    tree = {}
    for item in items:
        *parents, name = item.nested_key or [item.key]
        at = tree
        for parent in parents:
            at = at.setdefault(parent, {})
        at[name] = json.loads(item.value_json)
    return tree


runs = []
for path in sorted(glob.glob(sys.argv[1] + "/*/*.wandb")):
    store = DataStore()
    store.open_for_scan(path)
    run = {"history": [], "summary": {}, "config": {}, "exit": None}
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.update(
                id=record.run.run_id,
                project=record.run.project,
                entity=record.run.entity,
                name=record.run.display_name,
                group=record.run.run_group,
                tags=list(record.run.tags),
            )
            run["config"].update(entries(record.run.config.update))
        elif kind == "config":
            run["config"].update(entries(record.config.update))
        elif kind == "summary":
            run["summary"].update(entries(record.summary.update))
        elif kind == "history":
            row = entries(record.history.item)
            run["history"].append(row)
        elif kind == "exit":
            run["exit"] = record.exit.exit_code
    runs.append(run)
print(json.dumps(runs))
