"""Damaged and hostile files and requests by fixed seeds: `python benchmarks/attacks.py [BUNDLE]`.

Each kind is tried in a process of its own, whose memory is limited and in which every attempt to
write outside its folder, to start a program or to reach the network is noticed. A fault is any
exception but ValueError and OSError, an answer that is wrong without an error, a status of 500, or
such an attempt. Prints a table; the exit code is 1 if there was a fault. Without a BUNDLE one is
exported. Needs `pip install ./serving/edge ./serving/server`.
"""

import argparse
import collections
import copy
import http.client
import io
import json
import os
import pathlib
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

COUNTS = {  # attempts of each kind
    "pictures": 3000,
    "EXIF": 1500,
    "zip archives": 1500,
    "bundles": 1500,
    "SavedModels": 500,
    "run folders": 1500,
    "Keras files": 800,
    "JSON bodies": 4000,
}
GIB = 2**30
ADDRESSES = {"Keras files": 24 * GIB}  # TensorFlow maps more than it uses
MOST = 4 * GIB  # of addresses for the others
BOUND = 1200  # MiB of memory
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


def saved_models(folder, bundle):
    """`saved_model.pb` with damage, of which the manifest knows: refused, or looked through."""
    from kmeta_edge import saved_model

    data = next(bundle.rglob("saved_model.pb")).read_bytes()

    def attempt(rng):
        saved_model.check(damaged(data, rng), "bundle")
        return True

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


def keras_files(folder, bundle):
    """A learner's file, damaged, or its configuration changed: refused, or a learner."""
    import numpy as np

    from kmeta import weights
    from kmeta.runs.loading import load

    packed = pathlib.Path(weights.path("prototypical-omniglot")).read_bytes()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    names = ("Lambda", "TFSMLayer", "StringLookup", "TorchModuleWrapper", "function")

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
                        "config": rng.choice(({"filepath": "/etc"}, "system", "eval", {})),
                    }
                    other["config"] = {**config["config"], "embedding": embedding}
                new["config.json"] = json.dumps(other)
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                for name, content in new.items():
                    archive.writestr(name, content)
            data = file.getvalue()
        (folder / "a.keras").write_bytes(data)
        loaded = load(folder / "a.keras")
        return all(np.isfinite(weight.numpy()).all() for weight in loaded.weights)

    return attempt


def bodies(folder, bundle):
    """Bodies of requests to a running server, which must answer a good one after each."""
    with socketless():
        command = [sys.executable, "-m", "kmeta_server", str(bundle), "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    address = server.stdout.readline().decode().split("/")[2]
    bodies.server = server
    path = f"/v2/models/{bundle.name}"

    def ask(way, body=None):
        with socketless():
            connection = http.client.HTTPConnection(address, timeout=60)
            connection.request("POST" if body is not None else "GET", path + way, body)
            response = connection.getresponse()
            found = response.status, response.read()
            connection.close()
            return found

    shape = [1, *json.loads(ask("")[1])["inputs"][0]["shape"][1:]]
    count = shape[1] * shape[2] * shape[3]
    tensor = {"name": "images", "datatype": "FP32", "shape": shape, "data": [0.5] * count}
    request = {
        "id": "a",
        "parameters": {"a": 1},
        "inputs": [tensor],
        "outputs": [{"name": "score"}],
    }
    good = ask("/infer", json.dumps(request))

    def attempt(rng):
        body = json.dumps(changed(request, rng) if rng.random() < 0.6 else request).encode()
        body = damaged(body, rng) if rng.random() < 0.5 else body
        way = rng.choice(("/infer", "/infer", ".adapt/infer", ".embed/infer", ".serving_raw/infer"))
        status, answer = ask(way, body)
        known = json.loads(answer)
        is_clear = status == 200 or (400 <= status < 500 and "Traceback" not in known["error"])
        return is_clear and ask("/infer", json.dumps(request)) == good

    return attempt


KINDS = dict(
    zip(
        COUNTS,
        (pictures, exif, archives, bundles, saved_models, runs, keras_files, bodies),
        strict=True,
    )
)
_watched, _noticed = [True], []


class socketless:
    """The own connections of this program, which are not noticed."""

    def __enter__(self):
        _watched[0] = False

    def __exit__(self, *_):
        _watched[0] = True


def watch(folder):
    """Notice what reaches beyond a folder."""
    allowed = (str(folder), os.devnull)

    def hook(event, arguments):
        if not _watched[0]:
            return
        if event in (
            "os.system",
            "subprocess.Popen",
            "os.exec",
            "socket.connect",
            "os.posix_spawn",
        ):
            _noticed.append(f"{event} {arguments!r:.80}")
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND)
            path = os.path.abspath(os.fsdecode(arguments[0]))
            if writes and not path.startswith(allowed):
                _noticed.append(f"writes {path}")

    sys.addaudithook(hook)


def run_kind(kind, count, folder, bundle):
    """Try one kind in this process; prints what came of it as JSON."""
    limit = ADDRESSES.get(kind, MOST)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sys.dont_write_bytecode = True
    attempt, found, faults = KINDS[kind](folder, bundle), collections.Counter(), []
    attempt_safely = (ValueError, OSError)
    watch(folder)
    for number in range(count):
        try:
            what = "taken" if attempt(random.Random(f"{kind} {number}")) else "wrong answer"
        except attempt_safely:
            what = "refused"
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
        if what not in ("taken", "refused"):
            faults.append(f"{number}: {what}"[:200])
        found[what if what in ("taken", "refused") else "faults"] += 1
    if hasattr(bodies, "server"):
        status = pathlib.Path(f"/proc/{bodies.server.pid}/status").read_text()
        found["memory"] = int(status.partition("VmHWM:")[2].split()[0]) // 2**10
        bodies.server.terminate()
    else:
        found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10
    print(
        "\n" + json.dumps({**found, "outside": len(_noticed), "texts": faults[:5] + _noticed[:5]})
    )


def main():
    """Try all kinds; returns 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE", type=pathlib.Path)
    parser.add_argument("--kind", choices=COUNTS, help="only this one")
    parser.add_argument("--part", type=float, default=1.0, metavar="P", help="of the attempts")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        folder, count = arguments.inside
        return run_kind(arguments.kind, int(count), pathlib.Path(folder), arguments.bundle)
    with tempfile.TemporaryDirectory() as work:
        bundle = arguments.bundle
        if bundle is None:
            from serve_load import make_bundle

            bundle = pathlib.Path(work, "model")
            make_bundle(bundle)
        print("| Kind | Attempts | Refused | Taken, right | Faults | Outside | Memory, MiB |")
        print("|---|---|---|---|---|---|---|", flush=True)
        rows = [
            row_of(kind, max(1, int(arguments.part * count)), bundle)
            for kind, count in COUNTS.items()
            if arguments.kind in (None, kind)
        ]
    attempts, failed = (sum(row[i] for row in rows) for i in (0, 1))
    print(f"\n{attempts} attempts, {failed} faults; memory bound {BOUND} MiB")
    return int(failed > 0)


def row_of(kind, count, bundle):
    """Try one kind in a process of its own; returns its attempts and its faults."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, str(bundle), "--kind", kind, "--inside", folder]
        done = subprocess.run([*command, str(count)], capture_output=True, text=True)
    if done.returncode:
        print(f"| {kind} | {count} | | | the process ended: {done.stderr[-200:]!r} |")
        return count, count
    found = collections.Counter(json.loads(done.stdout.splitlines()[-1]))
    cells = (kind, count, *(found[name] for name in ("refused", "taken", "faults", "outside")))
    print("|", " | ".join(map(str, (*cells, found["memory"]))), "|", flush=True)
    for text in found["texts"] or ():
        print("   ", ascii(text))
    return count, found["faults"] + found["outside"] + (found["memory"] > BOUND)


if __name__ == "__main__":
    sys.exit(main())
