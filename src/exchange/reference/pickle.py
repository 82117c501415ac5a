"""Turns the reference system's pickle of an analysis into lines that `saescript import` reads, and back.

    python pickle_records.py to-lines FEATURES.pkl RECORDS.jsonl --name DICTIONARY [--series S] [--analysis A]
    python pickle_records.py to-pickle RECORDS.jsonl FEATURES.pkl [--analysis A]

Loading a pickle runs what is in it: use only files whose maker you trust.
"""

import argparse
import json
import math
import pickle

ARRAYS = {"feature_acts_indices": "float32", "feature_acts_values": "float32", "context_idx": "int64",
          "shard_idx": "int64", "n_shards": "int64", "z_pattern_indices": "int64", "z_pattern_values": "float32"}


def plain(value):
    """Returns arrays and tensors as lists, and floats that JSON lacks as mongoexport writes them."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"$numberDouble": name}
    return value


def number(value):
    """Returns what plain() made of a float that JSON lacks, and all else as it is."""
    if isinstance(value, dict) and list(value) == ["$numberDouble"]:
        return float(value["$numberDouble"])
    if isinstance(value, list):
        return [number(entry) for entry in value]
    return value


def to_lines(arguments):
    with open(arguments.source, "rb") as file:
        records = pickle.load(file)
    with open(arguments.target, "x", encoding="utf-8") as file:
        for index, record in enumerate(records):
            analysis = {"name": arguments.analysis, **plain(record)}
            document = {"sae_name": arguments.name, "sae_series": arguments.series, "index": index}
            for key in ("logits", "interpretation", "metric"):
                found = analysis.pop(key, None)
                if found is not None:
                    document[key] = found
            document["analyses"] = [analysis]
            file.write(json.dumps(document, allow_nan=False) + "\n")


def to_pickle(arguments):
    import numpy

    records = []
    with open(arguments.source, encoding="utf-8") as file:
        for line in filter(str.strip, file):
            document = json.loads(line)
            record = next(one for one in document["analyses"] if one["name"] == arguments.analysis)
            record = {key: number(value) for key, value in record.items() if key != "name"}
            for sampling in record["samplings"]:
                for key, dtype in ARRAYS.items():
                    if key in sampling:
                        sampling[key] = numpy.array(number(sampling[key]), dtype=dtype)
            records.append(record)
    with open(arguments.target, "xb") as file:
        pickle.dump(records, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("direction", choices=["to-lines", "to-pickle"])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--name", default="dictionary", help="name of the dictionary")
    parser.add_argument("--series", default="default", help="series that it belongs to")
    parser.add_argument("--analysis", default="default", help="name of the analysis")
    arguments = parser.parse_args()
    (to_lines if arguments.direction == "to-lines" else to_pickle)(arguments)


if __name__ == "__main__":
    main()
