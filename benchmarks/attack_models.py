"""The kinds of `attacks.py` that are bundles, models and parts of them; see `attack_kinds.py`."""

import base64
import io
import json
import marshal
import pathlib
import shutil
import zipfile

from attack_kinds import changed, damaged, zipped


def bundles(folder, bundle):
    """Bundles with one damaged file, or a changed manifest: refused, or the same answers."""
    import numpy as np
    from kmeta_edge import FewShotClassifier

    path = folder / "bundle"
    shutil.copytree(bundle, path)
    good = FewShotClassifier.load(path, threads=1)
    images = np.random.default_rng(0).random((4, *good.image_shape), dtype=np.float32)
    expected = good.answers(images)
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    manifest = json.loads((path / "manifest.json").read_text())

    def attempt(rng):
        file = rng.choice(files) if rng.random() < 0.4 else path / "manifest.json"
        before = file.read_bytes()
        if file.name == "manifest.json":
            file.write_text(json.dumps(changed(manifest, rng)))
        else:
            file.write_bytes(damaged(before, rng))
        try:
            found = FewShotClassifier.load(path, threads=1).answers(images)
            return np.allclose(found[0], expected[0], atol=1e-5) and found[1] == expected[1]
        finally:
            file.write_bytes(before)

    return attempt


def arrays(folder, bundle):
    """Arrays of a bundle: the archive damaged, or one of its members."""
    import numpy as np
    from kmeta_edge import arrays, state

    data = (bundle / "state.npz").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def attempt(rng):
        changed = damaged(data, rng)
        if rng.random() < 0.7:
            name = rng.choice(list(members))
            changed = zipped({**members, name: damaged(members[name], rng)})
        found = arrays.read(changed)
        state.way(found)
        return all(np.isfinite(values).all() for values in found.values())

    return attempt


def onnx_files(folder, bundle):
    """An ONNX file, damaged, of which a hash would know: refused, or all it reads is in it."""
    import onnx
    from kmeta_edge.models import Models

    data = (bundle / "classifier.onnx").read_bytes()
    outside = onnx.load_model_from_string(data)
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    outside = outside.SerializeToString()

    def attempt(rng):
        is_inside = rng.random() < 0.8
        changed = damaged(data, rng) if is_inside else outside
        Models({"classifier": changed}).session("classifier")
        return is_inside

    return attempt


def saved_models(folder, bundle):
    """`saved_model.pb` with damage, of which the manifest knows: refused, or looked through."""
    from kmeta_edge import saved_model

    data = next(bundle.rglob("saved_model.pb")).read_bytes()

    def attempt(rng):
        saved_model.check(damaged(data, rng), "bundle")
        return True

    return attempt


def keras_files(folder, bundle):
    """A learner's file, damaged, or its configuration changed: refused, or a learner."""
    import keras
    import numpy as np

    from kmeta import weights
    from kmeta.runs.loading import load

    packed = pathlib.Path(weights.path("prototypical-omniglot")).read_bytes()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    names = ("Lambda", "TFSMLayer", "StringLookup", "TorchModuleWrapper", "function", "__lambda__")
    code = compile(f"open({str(folder / 'ran')!r}, 'w').close()", "attack", "exec")
    bytecode = {"value": base64.b64encode(marshal.dumps(code)).decode()}
    keras.config.enable_unsafe_deserialization()  # as a careless program may have done

    def attempt(rng):
        kind, data = rng.randrange(4), packed
        if kind == 0:
            data = damaged(packed, rng)
        else:
            new = dict(entries)
            if kind == 1:
                new["model.weights.h5"] = (
                    damaged(new["model.weights.h5"][:4096], rng) + (new["model.weights.h5"][4096:])
                )
            else:
                other = changed(config, rng)
                if kind == 3:
                    embedding = {
                        "module": rng.choice(("keras.layers", "os", "builtins", "keras.utils")),
                        "class_name": rng.choice(names),
                        "config": rng.choice(({"filepath": "/etc"}, "system", "eval", bytecode)),
                        "registered_name": rng.choice((None, "kmeta>Conv4", "kmeta>Classifier")),
                    }
                    other["config"] = {**config["config"], "embedding": embedding}
                new["config.json"] = json.dumps(other)
            data = zipped(new)
        (folder / "a.keras").write_bytes(data)
        loaded = load(folder / "a.keras")
        sound = all(np.isfinite(weight.numpy()).all() for weight in loaded.weights)
        return sound and not (folder / "ran").exists()

    return attempt
