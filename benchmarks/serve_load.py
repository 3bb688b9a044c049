"""A server under load, every answer checked: `python benchmarks/serve_load.py [BUNDLE]`.

Some requests are malformed, some huge, some clients leave in the middle; all the while idle and
half-sent connections stand, which are opened again when the server closes them. After a fifth of
the requests a new version appears, with one class more, and later a broken one. The table has the
latency of each kind; the exit code is 1 after any wrong answer, any lost request, or if memory was
above its bound or grew in the second half, when all that is needed is loaded. It talks to its own
server alone, on this machine. Without a BUNDLE one is exported: an untrained Prototypical Network
on Conv-4, adapted to 20 glyphs. Needs `pip install ./serving/edge ./serving/server`.
"""

import argparse
import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple

import numpy as np
from kmeta_edge import FewShotClassifier
from standing import Standing

TOLERANCE = 1e-5
LIMIT_MB, HUGE, POOL = 32, 256, 64
BOUND = 400  # MiB that the server may take at its peak
SETTLED = 0.5  # of the requests: the new version is loaded and has answered every kind
GROWTH = 1.15  # of memory, from then to the end
HEADER = "Inference-Header-Content-Length"
DATATYPES = {"float32": "FP32", "int64": "INT64", "uint8": "UINT8"}
SHARES = {  # of the requests, in thousandths
    "predict, JSON": 470,
    "predict, binary": 150,
    "predict 256, binary": 5,
    "embed": 60,
    "adapt": 60,
    "classify": 60,
    "episode": 60,
    "malformed": 115,
    "above the limit": 10,
    "client leaves": 10,
}


class Case(NamedTuple):
    """A request: `status`, and for 200 the outputs expected of each version."""

    path: str
    headers: dict
    body: bytes
    status: int = 200
    expected: dict = {}


def make_bundle(path):
    """Export a classifier of 20 glyphs."""
    import kmeta

    glyphs = kmeta.data.load("glyphs", "test")
    five = glyphs.subset(glyphs.class_names[:20])
    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4())
    learner.build(five.images.shape[1:])
    classifier = learner.adapt(five.images[::20], five.labels[::20], five.class_names)
    kmeta.export(classifier.with_options(temperature=1000.0), path)


def encode(inputs, binary):
    """Headers and body of a request."""
    tensors, tail = [], b""
    for name, array in inputs.items():
        tensor = {"name": name, "datatype": DATATYPES[array.dtype.name], "shape": array.shape}
        if binary:
            tensor["parameters"] = {"binary_data_size": array.nbytes}
            tail += array.tobytes()
        else:
            tensor["data"] = array.ravel().tolist()
        tensors.append(tensor)
    head = json.dumps({"inputs": tensors}).encode()
    return ({HEADER: str(len(head))} if binary else {}), head + tail


class Cases:
    """Requests of every kind, with the answers that onnxruntime alone gives."""

    def __init__(self, versions, seed=0):
        self._versions = versions  # FewShotClassifiers by version
        self._random = np.random.default_rng(seed)
        shape = versions["1"].image_shape
        self._pixels = self._random.integers(0, 256, (POOL, *shape)).astype("uint8")
        self._images = self._pixels.astype("float32") / np.float32(255)

    def make(self, kind, count):
        """Some different requests of a kind."""
        makers = {
            "predict, JSON": lambda: self._predict(1 + self._random.integers(4), False),
            "predict, binary": lambda: self._predict(1 + self._random.integers(4), True),
            "predict 256, binary": lambda: self._predict(HUGE, True),
            "embed": self._embed,
            "adapt": lambda: self._signature("adapt", self._support()),
            "classify": self._classify,
            "episode": lambda: self._signature(
                "episode", {**self._support(), "queries": self._some(4)}
            ),
            "client leaves": lambda: self._predict(2, False),
        }
        if kind == "malformed":
            return self._malformed()
        if kind == "above the limit":
            body = b" " * ((LIMIT_MB << 20) + 1)
            return [Case("/v2/models/model/infer", {}, body, 413)]
        return [makers[kind]() for _ in range(count)]

    def _some(self, count):
        return self._images[self._random.integers(POOL, size=count)]

    def _support(self):
        labels = self._random.permutation(np.arange(10) % 5)
        return {"support_images": self._some(10), "support_labels": labels}

    def _predict(self, count, binary):
        chosen = self._random.integers(POOL, size=count)
        given = self._pixels if binary and count % 2 else self._images
        expected = {}
        for version, classifier in self._versions.items():
            probabilities, labels, _ = classifier.answers(self._images)
            labels = np.array(labels, object)[chosen]
            expected[version] = {"probabilities": probabilities[chosen], "label": labels}
        headers, body = encode({"images": given[chosen]}, binary)
        return Case("/v2/models/model/infer", headers, body, 200, expected)

    def _embed(self):
        return self._signature("embed", {"images": self._some(2)})

    def _classify(self):
        state = self._run("adapt", self._support())
        return self._signature("classify", {"queries": self._some(3), **state})

    def _run(self, signature, given, version="1"):
        return self._versions[version].run(signature, given)

    def _signature(self, signature, given):
        headers, body = encode(given, bool(self._random.integers(2)))
        expected = {v: self._run(signature, given, v) for v in self._versions}
        return Case(f"/v2/models/model.{signature}/infer", headers, body, 200, expected)

    def _malformed(self):
        path = "/v2/models/model/infer"
        good = json.loads(encode({"images": self._images[:1]}, False)[1])

        def changed(**changes):
            return json.dumps({"inputs": [{**good["inputs"][0], **changes}]}).encode()

        headers, binary = encode({"images": self._images[:1]}, True)
        nan = encode({"images": np.full_like(self._images[:1], np.nan)}, True)
        labels = encode({**self._support(), "queries": self._images[:1]}, False)[1]
        bodies = [
            (b"", {}),
            (b"{", {}),
            (b"[" * 100_000, {}),
            (bytes(range(256)), {}),
            (changed(name="x"), {}),
            (changed(datatype="FP64"), {}),
            (changed(shape=[1, 2, 3]), {}),
            (changed(shape=[10**18, *self._images.shape[1:]]), {}),
            (changed(data=["1"] * self._images[0].size), {}),
            (changed(data=[1.0]), {}),
            (binary[:-3], headers),
            (binary, {HEADER: "999999999"}),
            nan[::-1],
        ]
        wrong = [Case(path, head, body, 400) for body, head in bodies]
        wrong.append(Case("/v2/models/model.episode/infer", {}, labels.replace(b"0", b"7"), 400))
        wrong.append(Case("/v2/models/none/infer", {}, changed(), 404))
        wrong.append(Case(path, {"Content-Encoding": "gzip"}, changed(), 415))
        return wrong


class Load:
    """Clients that share a list of requests, and what came of them."""

    def __init__(self, address, cases, order):
        self._address, self._cases, self._order = address, cases, order
        self._lock, self._next = threading.Lock(), 0
        self.seconds = collections.defaultdict(list)
        self.wrong = []
        self.answered = collections.Counter()  # by version
        self.difference = 0.0

    @property
    def made(self):
        return self._next

    def client(self):
        """Make requests until there are no more."""
        connection = http.client.HTTPConnection(self._address, timeout=120)
        newest = 0
        while True:
            with self._lock:
                if self._next == len(self._order):
                    return
                kind, number = self._order[self._next]
                self._next += 1
            case = self._cases[kind][number % len(self._cases[kind])]
            if kind == "client leaves":
                self._leave(case)
                continue
            begin = time.perf_counter()
            try:
                connection.request("POST", case.path, case.body, case.headers)
                response = connection.getresponse()
                status, body = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                self._note(kind, 0, f"lost: {error!r}")
                connection.close()
                continue
            seconds = time.perf_counter() - begin
            try:
                version, fault = self._check(case, status, json.loads(body))
            except Exception as error:
                version, fault = None, repr(error)
            if version:
                fault = fault or ("an older version" if int(version) < newest else None)
                newest = int(version)
            self._note(kind, seconds, fault, version)

    def _leave(self, case):
        """Send half a request and go."""
        connection = http.client.HTTPConnection(self._address, timeout=120)
        connection.putrequest("POST", case.path)
        connection.putheader("Content-Length", str(len(case.body)))
        connection.endheaders(case.body[: len(case.body) // 2])
        connection.close()
        self._note("client leaves", 0.0, None)

    def _note(self, kind, seconds, fault, version=None):
        with self._lock:
            self.seconds[kind].append(seconds)
            if version:
                self.answered[version] += 1
            if fault:
                self.wrong.append(f"{kind}: {fault}")

    def _check(self, case, status, answer):
        """The version that answered, and what is wrong with the answer or None."""
        if status != case.status:
            return None, f"status {status} instead of {case.status}: {answer}"
        if status != 200:
            is_clear = isinstance(answer.get("error"), str) and "Traceback" not in answer["error"]
            return None, None if is_clear else f"{answer}"
        found = {tensor["name"]: tensor for tensor in answer["outputs"]}
        for name, expected in case.expected[answer["model_version"]].items():
            if found[name]["shape"] != list(expected.shape):
                return answer["model_version"], f"{name} has the shape {found[name]['shape']}"
            values = np.array(found[name]["data"], expected.dtype).reshape(expected.shape)
            if expected.dtype.kind != "f":
                if not (values == expected).all():
                    return answer["model_version"], f"{name} is {values}, not {expected}"
                continue
            difference = float((abs(values - expected) / np.maximum(1, abs(expected))).max())
            self.difference = max(self.difference, difference)
            if not difference <= TOLERANCE:
                return answer["model_version"], f"{name} differs by {difference}"
        return answer["model_version"], None


def resident(address):
    """Memory of the server in MiB, as it says itself."""
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request("GET", "/metrics")
    for line in connection.getresponse().read().decode().splitlines():
        if line.startswith("process_resident_memory_bytes "):
            return float(line.split()[1]) / 2**20
    return float("nan")


def peak(process):
    """The most memory of a process so far in MiB; NaN where the system does not tell."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return float("nan")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def publish(bundle, path, broken=False):
    """Copy a bundle to `path`, where it appears as a whole."""
    hidden = path.with_name(f".{path.name}")
    shutil.copytree(bundle, hidden)
    if broken:
        (hidden / "classifier.onnx").write_bytes(b"no model")
    os.rename(hidden, path)


def prepare(bundle, folder):
    """Version 1 and 2 of a bundle, the second with one class more; the classifiers by version."""
    grown = FewShotClassifier.load(bundle)
    random = np.random.default_rng(1)
    grown.add_class("one more", random.random((2, *grown.image_shape)).astype("float32"))
    grown.save(folder / "grown")
    publish(bundle, folder / "models" / "model" / "1")
    paths = {"1": bundle, "2": folder / "grown"}
    return {version: FewShotClassifier.load(path, threads=1) for version, path in paths.items()}


def run(bundle, folder, arguments):
    """Print the figures; returns 0, or 1 if anything was wrong."""
    requests, clients = arguments.requests, arguments.clients
    (folder / "models" / "model").mkdir(parents=True)
    cases = Cases(prepare(bundle, folder))
    pool = {kind: cases.make(kind, 40) for kind in SHARES}
    random = np.random.default_rng(2)
    share = np.array(list(SHARES.values())) / sum(SHARES.values())
    kinds = random.choice(list(SHARES), size=requests, p=share)
    order = [(str(kind), number) for number, kind in enumerate(kinds)]
    limits = ("--max-request-mb", LIMIT_MB, "--port", 0)
    command = [sys.executable, "-m", "kmeta_server", "--models-dir", folder / "models", *limits]
    server = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().split("/")[2]
    load, memory = Load(address, pool, order), {}
    events = [
        (0.2, lambda: publish(folder / "grown", folder / "models" / "model" / "2")),
        (SETTLED, lambda: None),
        (0.7, lambda: publish(bundle, folder / "models" / "model" / "3", broken=True)),
    ]
    memory["before"] = resident(address)
    begin = time.perf_counter()
    standing = Standing(address, arguments.idle, arguments.half_sent)
    with standing, concurrent.futures.ThreadPoolExecutor(clients) as threads:
        asked = [threads.submit(load.client) for _ in range(clients)]
        for part, event in events:
            while load.made < part * requests:
                time.sleep(0.05)
            memory[f"after {part:.0%}"] = resident(address)
            event()
        for one in asked:
            one.result()
    seconds = time.perf_counter() - begin
    memory["at the end"] = resident(address)
    memory["at the peak"] = peak(server)
    server.terminate()
    code = server.wait(timeout=60)
    print(standing)
    return report(load, memory, seconds, code)


def report(load, memory, seconds, code):
    """Print the table; returns the exit code."""
    print("| Request | Count | Median, ms | 95 % | 99 % | Longest |\n|---|---|---|---|---|---|")
    for kind in SHARES:
        times = 1000 * np.array(load.seconds[kind] or [0.0])
        figures = [*np.percentile(times, (50, 95, 99)), times.max()]
        cells = " | ".join(f"{figure:.1f}" if figure else "" for figure in figures)
        print(f"| {kind} | {len(load.seconds[kind])} | {cells} |")
    count = sum(map(len, load.seconds.values()))
    by_version = ", ".join(f"{n} by version {v}" for v, n in sorted(load.answered.items()))
    resident_memory = ", ".join(f"{value:.0f} MiB {when}" for when, value in memory.items())
    print(f"\n{count} requests in {seconds:.0f} s, {count / seconds:.0f} a second; {by_version}")
    print(f"Largest difference of an answer: {load.difference:.1e}")
    print(f"Memory: {resident_memory}")
    print(f"Wrong or lost: {len(load.wrong)}; exit code of the server: {code}")
    for fault in load.wrong[:10]:
        print(" ", fault[:300])
    has_grown = memory["at the end"] > GROWTH * memory[f"after {SETTLED:.0%}"]
    is_reloaded = set(load.answered) == {"1", "2"}
    is_large = memory["at the peak"] > BOUND
    return int(bool(load.wrong) or code != 0 or has_grown or is_large or not is_reloaded)


def main():
    """Make a bundle if there is none, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE", type=pathlib.Path)
    parser.add_argument("--requests", type=int, default=10_000, metavar="N")
    parser.add_argument("--clients", type=int, default=8, metavar="N")
    parser.add_argument("--idle", type=int, default=600, metavar="N", help="connections")
    parser.add_argument("--half-sent", type=int, default=60, metavar="N", help="connections")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = arguments.bundle or pathlib.Path(folder) / "bundle"
        if not arguments.bundle:
            make_bundle(bundle)
        return run(bundle, pathlib.Path(folder), arguments)


if __name__ == "__main__":
    sys.exit(main())
