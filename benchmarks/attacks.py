"""Damaged and hostile files and requests by fixed seeds: `python benchmarks/attacks.py [BUNDLE]`.

Each kind is tried in a process of its own, whose memory is limited and in which every attempt to
write outside its folder, to start a program or to reach the network is noticed. A fault is any
exception but ValueError and OSError, an answer that is wrong without an error, a status of 500, or
such an attempt. Prints a table; the exit code is 1 if there was a fault. Without a BUNDLE one is
exported. Needs `pip install ./serving/edge ./serving/server`.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile

import attack_kinds
import attack_models

GIB = 2**30
ADDRESSES = {"Keras files": 24 * GIB}  # TensorFlow maps more than it uses
MOST = 4 * GIB  # of addresses for the others
BOUND = 1200  # MiB of memory


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
        body = json.dumps(
            attack_kinds.changed(request, rng) if rng.random() < 0.6 else request
        ).encode()
        body = attack_kinds.damaged(body, rng) if rng.random() < 0.5 else body
        way = rng.choice(("/infer", "/infer", ".adapt/infer", ".embed/infer", ".serving_raw/infer"))
        status, answer = ask(way, body)
        known = json.loads(answer)
        is_clear = status == 200 or (400 <= status < 500 and "Traceback" not in known["error"])
        return is_clear and ask("/infer", json.dumps(request)) == good

    return attempt


KINDS = {  # functions and attempts
    "pictures": (attack_kinds.pictures, 3000),
    "EXIF": (attack_kinds.exif, 1500),
    "zip archives": (attack_kinds.archives, 1500),
    "bundles": (attack_models.bundles, 1500),
    "arrays": (attack_models.arrays, 1500),
    "ONNX files": (attack_models.onnx_files, 1500),
    "SavedModels": (attack_models.saved_models, 500),
    "run folders": (attack_kinds.runs, 1500),
    "checkpoints": (attack_kinds.checkpoints, 1500),
    "Keras files": (attack_models.keras_files, 800),
    "JSON bodies": (bodies, 4000),
}
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
    attempt, found, faults = KINDS[kind][0](folder, bundle), collections.Counter(), []
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
    server = getattr(bodies, "server", None)
    found["memory"] = peak(server.pid if server else os.getpid())
    if server:
        server.terminate()
    print(
        "\n" + json.dumps({**found, "outside": len(_noticed), "texts": faults[:5] + _noticed[:5]})
    )


def peak(process):
    """The most memory of a process so far in MiB; what `getrusage` says is also its parent's."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 2**10


def main():
    """Try all kinds; returns 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE", type=pathlib.Path)
    parser.add_argument("--kind", choices=KINDS, help="only this one")
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
            for kind, (_, count) in KINDS.items()
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
