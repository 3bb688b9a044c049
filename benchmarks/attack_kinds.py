"""The kinds of `attacks.py` that are pictures and runs: each makes and tries a damaged file.

A kind is a function of a folder and of a sound bundle; what it returns makes one attempt from a
`random.Random`, and says whether what was taken is right.
"""

import copy
import io
import json
import struct
import zipfile

JUNK = (None, True, -1, 0, 2**70, 1e308, float("nan"), "", "\x1b[2J", "../../x", [], {}, [[]] * 9)


def damaged(data, rng):
    """Some bytes of a file changed, cut, doubled or put in."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 64))
        kind = rng.randrange(5)
        if kind == 0:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            data[at : at + size] = rng.choice((b"\xff", b"\0", b"\x7f")) * size
        elif kind == 2:
            data = data[: max(1, at)]
        elif kind == 3:
            data[at:at] = data[at : at + size]
        else:
            data[at:at] = rng.randbytes(size)
    return bytes(data)


def changed(value, rng):
    """A JSON value with one part replaced, removed or renamed."""
    value = copy.deepcopy(value)
    at = value
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return value
        key = rng.choice(keys)
        if isinstance(at[key], (dict, list)) and at[key] and rng.random() < 0.8:
            at = at[key]
            continue
        kind = rng.randrange(4)
        if kind == 0:
            del at[key]
        elif kind == 1 and isinstance(at, dict):
            at[rng.choice(("x", "class_name", "shape", "../x"))] = at.pop(key)
        else:
            at[key] = copy.deepcopy(rng.choice(JUNK))
        return value


def pictures(folder, bundle):
    """Picture files with damage anywhere."""
    from PIL import Image

    from kmeta.data.pictures import picture

    good = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
        file = io.BytesIO()
        Image.radial_gradient("L").resize((40, 30)).convert("RGB").save(file, kind)
        good.append((file.getvalue(), kind.lower()))

    def attempt(rng):
        data, kind = rng.choice(good)
        path = folder / f"a.{kind}"
        path.write_bytes(damaged(data, rng))
        found = picture(path, (28, 28, 1))
        return found.shape == (28, 28, 1) and bool((found >= 0).all() and (found <= 1).all())

    return attempt


def exif(folder, bundle):
    """Good pixels with any EXIF entries: they must come out, turned or not."""
    import numpy as np
    from PIL import Image

    from kmeta.data.pictures import picture

    file, pixels = io.BytesIO(), np.zeros((32, 32, 3), np.uint8)
    pixels[:8, :16], pixels[8:20, 4:9] = 250, 120
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    base = file.getvalue()
    (folder / "good.jpg").write_bytes(base)
    good = picture(folder / "good.jpg", (32, 32, 1))
    turned = [np.rot90(side, k) for side in (good, good[:, ::-1]) for k in range(4)]

    def attempt(rng):
        entries = [(0x112, 3, 1, struct.pack(">HH", rng.randrange(10), 0))]
        for _ in range(rng.randrange(4)):
            tag = rng.choice((0x10E, 0x10F, 0x112, 0x11A, 0x128, 0x8769, 0x8825, 0x927C))
            number = rng.choice((1, 2, 3, 2**31))
            entries.append((tag, rng.randrange(14), number, rng.randbytes(4)))
        packed = b"".join(struct.pack(">HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
        body = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(entries)) + packed + rng.randbytes(16)
        block = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
        (folder / "a.jpg").write_bytes(base[:2] + block + base[2:])
        found = picture(folder / "a.jpg", (32, 32, 1))
        return any(np.abs(found - one).max() < 0.02 for one in turned)

    return attempt


def archives(folder, bundle):
    """Zip archives of pictures: names, sizes, versions, packings and damage."""
    from kmeta.data.files import FileTree

    def attempt(rng):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", rng.choice((0, 8, 12, 14))) as archive:
            names = ["a/1.png", "b/2.png", "a\nb/3"]
            if rng.random() < 0.5:
                names[2] = rng.choice(("../x", "/etc/y", "c:\\z", "a/../../x"))
            for name in names:
                archive.writestr(name, rng.choice((b"", b"\0" * 10**5, rng.randbytes(99))))
        data = file.getvalue()
        (folder / "a.zip").write_bytes(damaged(data, rng) if rng.random() < 0.7 else data)
        with FileTree(folder / "a.zip") as tree:
            sizes = [len(tree.read(name)) for name in tree.names]
        escapes = [name for name in tree.names if name.startswith("/") or ".." in name.split("/")]
        return not escapes and sum(sizes) < 10**8

    return attempt


def runs(folder, bundle):
    """A run's configuration, result and log, changed or damaged."""
    from kmeta.recipes import get
    from kmeta.runs.folder import Run

    recipe = get("prototypical-omniglot-5way-1shot")
    config = {"recipe": recipe.to_dict(), "data_dir": None, "image_shape": [28, 28, 1]}
    log = b"epoch,loss,val_accuracy\r\n0,1.5,0.5\r\n1,1.2,NA\r\n"

    def attempt(rng):
        text = (
            json.dumps(changed(config, rng)) if rng.random() < 0.8 else "[" * rng.randrange(99999)
        )
        (folder / "config.json").write_bytes(
            damaged(text.encode(), rng) if rng.random() < 0.2 else text.encode()
        )
        (folder / "log.csv").write_bytes(damaged(log, rng) if rng.random() < 0.5 else log)
        run = Run(folder)
        found, _ = run.recipe, run.log
        return found.from_dict(found.to_dict()) == found

    return attempt


def checkpoints(folder, bundle):
    """The checkpoint of a run, damaged, or its parts changed: refused, or finite numbers."""
    import numpy as np

    from kmeta.runs.checkpoint import UNREADABLE, _read

    file, state = io.BytesIO(), {"epochs_done": 1, "seconds": 1.0, "best_accuracy": 0.5}
    state.update(best_epoch=1, sizes={"learner": 2, "optimizer": 1, "best": 0})
    values = {f"learner_{i}": np.ones((3, 3), "float32") for i in range(2)}
    np.savez(file, state=json.dumps(state), optimizer_0=np.int64(3), **values)
    data = file.getvalue()

    def attempt(rng):
        path, written = folder / "checkpoint.npz", damaged(data, rng)
        if rng.random() < 0.6:
            file = io.BytesIO()
            np.savez(file, state=json.dumps(changed(state, rng)), **values)
            written = file.getvalue()
        path.write_bytes(written)
        try:
            found, parts = _read(path)
        except UNREADABLE as error:  # as `Checkpoint.restore`, which names the file
            raise ValueError(str(error)) from error
        return found["epochs_done"] >= 1 and len(parts["learner"]) <= 2

    return attempt


def zipped(entries):
    """The bytes of a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()
