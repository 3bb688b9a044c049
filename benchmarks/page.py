"""The page in figures: `python benchmarks/page.py BUNDLE FOLDER [--web PAGE]`.

Times, from the start of `kmeta-server` to the first answer in the page; of one picture, by the
server and in the page, and with --web, a folder that `kmeta export BUNDLE --web` wrote, in a page
without a server. Memory of the server with 20 open pages that send pictures of FOLDER all at once,
and then a picture of the largest size each. The exit code is 1 where the server took more than
400 MiB. Needs Chromium, and the extra "test".
"""

import argparse
import functools
import http.client
import http.server
import io
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import numpy as np
from PIL import Image
from playwright.sync_api import expect, sync_playwright

PAGES, BOUND, RUNS = 20, 400, 20
ANSWERS, STATUS = "#answers > li", "#status"
KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--web", metavar="PAGE")
    parsed = parser.parse_args()
    files = [path for path in sorted(parsed.folder.rglob("*")) if path.suffix.lower() in KINDS]
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        begin = time.perf_counter()
        command = [sys.executable, "-m", "kmeta_server", parsed.bundle, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                peak = _server(browser, server, begin, files, pathlib.Path(parsed.bundle).name)
            finally:
                server.terminate()
        if parsed.web:
            _static(browser, parsed.web, files)
        browser.close()
    return int(peak > BOUND)


def _server(browser, server, begin, files, name):
    address = server.stdout.readline().strip()
    _show("link printed", time.perf_counter() - begin, "s")
    page = _opened(browser, address)
    _show("page shows the classes", time.perf_counter() - begin, "s")
    _tell(page, files[:1], 1)
    _show("first answer in the page", time.perf_counter() - begin, "s")
    _show("one picture, in the page by the server, median", _median(page, files), "ms")
    client, times = http.client.HTTPConnection(address.split("/")[2]), []
    for at in range(RUNS):
        file = files[at % len(files)]
        data, headers = file.read_bytes(), {"Content-Type": KINDS[file.suffix.lower()]}
        start = time.perf_counter()
        client.request("POST", f"/v2/models/{name}/pictures", data, headers)
        response = client.getresponse()
        response.read()
        times.append(time.perf_counter() - start)
        assert response.status == 200
    _show("one picture, server alone, median", 1000 * statistics.median(times), "ms")
    page.close()
    _show("server's memory then", _peak(server.pid), "MiB")
    pages = [_opened(browser, address) for _ in range(PAGES)]
    large = {"name": "large.webp", "mimeType": "image/webp", "buffer": _large()}
    start = time.perf_counter()
    for number, page in enumerate(pages):
        page.set_input_files("#files", [files[(number + i) % len(files)] for i in range(4)])
    for page in pages:
        expect(page.locator(ANSWERS)).to_have_count(4, timeout=300_000)
    _show(f"{PAGES} pages x 4 pictures", time.perf_counter() - start, "s")
    _show("server's peak memory", _peak(server.pid), "MiB")
    for page in pages:
        page.set_input_files("#files", large)
    for page in pages:
        expect(page.locator(ANSWERS)).to_have_count(5, timeout=300_000)
    peak = _peak(server.pid)
    _show("server's peak memory, with the largest picture from each page", peak, "MiB")
    for page in pages:
        page.close()
    return peak


def _static(browser, folder, files):
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        begin = time.perf_counter()
        page = _opened(browser, f"http://127.0.0.1:{host.server_port}/")
        _tell(page, files[:1], 1)
        _show("first answer without a server", time.perf_counter() - begin, "s")
        _show("one picture without a server, median", _median(page, files), "ms")
        host.shutdown()


def _opened(browser, address):
    page = browser.new_page()
    page.goto(address)
    expect(page.locator("#classes > li").first).to_be_visible(timeout=60_000)
    return page


def _tell(page, files, count):
    page.set_input_files("#files", files)
    expect(page.locator(ANSWERS)).to_have_count(count, timeout=60_000)


def _median(page, files):
    """Milliseconds from choosing a file to its answer, as the page itself sees it."""
    page.evaluate(
        """() => {
            window.times = [];
            let begin;
            document.querySelector("#files").addEventListener("change",
                () => { begin = performance.now(); }, { capture: true });
            new MutationObserver(() => window.times.push(performance.now() - begin))
                .observe(document.querySelector("#answers"), { childList: true });
        }"""
    )
    for at in range(RUNS):
        page.click("#forget-answers")
        _tell(page, files[at % len(files)], 1)
        page.wait_for_timeout(20)
    times = page.evaluate("window.times")
    return statistics.median(times[1::2])  # between them those of removing


def _large():
    """A WebP file of 12.5 million pixels; of all kinds, this one takes the most memory to read."""
    pixels = np.random.default_rng(0).integers(0, 256, (360, 360, 3), "uint8")
    file = io.BytesIO()
    Image.fromarray(pixels).resize((3535, 3535)).save(file, "WEBP", method=0)
    return file.getvalue()


def _peak(process):
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def _show(what, value, unit):
    print(f"{what}\t{value:.1f} {unit}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
