"""Manifests that no reader of bundles may use: by entry, what is changed in a sound one."""


def without(manifest, name):
    return {"files": {n: x for n, x in manifest["files"].items() if n != name}}


def tensor(**changes):
    images = {"dtype": "float32", "shape": ["batch", 28, 28, 1], **changes}
    return {"inputs": {"images": images}, "outputs": {}}


CASES = {
    "files": [
        lambda m: {"files": {**m["files"], "classifier.onnx": None}},
        lambda m: {"files": {**m["files"], "classifier.onnx": {"size": 3}}},
        lambda m: {"files": {**m["files"], "x": {"size": "3", "sha256": "0"}}},
        lambda m: {"files": {**m["files"], "/etc/hostname": m["files"]["sample.npz"]}},
        lambda m: {"files": {**m["files"], "../other.npz": m["files"]["sample.npz"]}},
        lambda m: {"files": {**m["files"], "a/../../b": m["files"]["sample.npz"]}},
        lambda m: without(m, "sample.npz"),
    ],
    "signatures": [
        lambda m: without(m, "classifier.onnx"),
        lambda m: {"signatures": {**m["signatures"], "serving_default": None}},
        lambda m: {"signatures": {**m["signatures"], "classify": {"inputs": {}, "outputs": 3}}},
        lambda m: {"signatures": {**m["signatures"], "embed": tensor(dtype="float8")}},
        lambda m: {"signatures": {**m["signatures"], "embed": tensor(shape=[-1])}},
        lambda m: {"signatures": {n: x for n, x in m["signatures"].items() if "serv" not in n}},
        lambda m: {"signatures": {}},
    ],
    "state": [
        lambda m: without(m, "state.npz"),
        lambda m: {"state": {}},
        lambda m: {"state": {"file": "../state.npz", "rows": "classes"}},
        lambda m: without(m, "classify.onnx"),
    ],
    "rejection": [
        lambda m: {"rejection": {}},
        lambda m: {"rejection": {**m["rejection"], "threshold": "x"}},
        lambda m: {"rejection": {**m["rejection"], "threshold": float("nan")}},
        lambda m: {"rejection": {**m["rejection"], "unknown": None}},
        lambda m: {"rejection": {**m["rejection"], "unknown": "\x1b[2J"}},
        lambda m: {"rejection": {"threshold": 0.5, "unknown": m["class_names"][0]}},
    ],
    "output": [
        lambda m: {"output": {}},
        lambda m: {"output": {"shape": [9, *m["output"]["shape"]]}},
    ],
    "parity": [
        lambda m: {"parity": {}},
        lambda m: {"parity": {"tolerance": float("nan")}},
    ],
    "quantization": [
        lambda m: {"quantization": {}},
        lambda m: {"quantization": {"tolerance": float("nan")}},
    ],
    "input": [lambda m: {"input": {}}, lambda m: {"input": {"shape": [None, "28"]}}],
    "class_names": [
        lambda m: {"class_names": [1, 2, 3]},
        lambda m: {"class_names": ["a", "a", "b"]},
        lambda m: {"class_names": m["class_names"][:2]},
        lambda m: {"class_names": ["", *m["class_names"][1:]]},
        lambda m: {"class_names": ["\x1b[2J", *m["class_names"][1:]]},
        lambda m: {"class_names": ["\ud800", *m["class_names"][1:]]},
    ],
}


def cases():
    """`[(entry, change)]`, for `pytest.mark.parametrize`."""
    return [(entry, change) for entry, several in CASES.items() for change in several]
