"""Prints what TensorBoard's own reader finds in a folder, as one JSON object."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0})
accumulator.Reload()
tags = accumulator.Tags()
scalars = {tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in tags["scalars"]}
histograms = {
    tag: [
        {
            "step": event.step,
            "num": event.histogram_value.num,
            "min": event.histogram_value.min,
            "max": event.histogram_value.max,
            "edges": list(event.histogram_value.bucket_limit),
            "counts": list(event.histogram_value.bucket),
        }
        for event in accumulator.Histograms(tag)
    ]
    for tag in tags["histograms"]
}
print(json.dumps({"scalars": scalars, "histograms": histograms}))
