"""The entries of a log that `stint log export` wrote, from its bundles (C2SP tlog-tiles)."""

import json
import pathlib


def read_events(directory):
    root = pathlib.Path(directory) / "tile" / "entries"
    events = []
    for bundle in sorted(root.rglob("*"), key=lambda p: str(p).replace(".p", "")):
        if not bundle.is_file():
            continue
        data, at = bundle.read_bytes(), 0
        while at < len(data):
            size = int.from_bytes(data[at:at + 2], "big")
            events.append(json.loads(data[at + 2:at + 2 + size]))
            at += 2 + size
    return events
