"""A real browser for tests, and the folder of onnxruntime-web; both skip where there is none."""

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import threading

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def path_of_chromium():
    """Skips the test where there is none."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("needs Chromium, such as Debian's package chromium")
    return found


@contextlib.contextmanager
def launched():
    """A browser whose webcam is made up."""
    playwright = pytest.importorskip("playwright.sync_api", reason='needs the extra "test"')
    flags = [*FLAGS, *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
    path = path_of_chromium()
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


def onnxruntime_web(folder):
    """The path of the npm package: what KMETA_ONNXRUNTIME_WEB names, or npm fetches into folder."""
    named = os.environ.get("KMETA_ONNXRUNTIME_WEB")
    if named:
        return named
    if shutil.which("npm") is None:
        pytest.skip("needs npm, or onnxruntime-web's place in KMETA_ONNXRUNTIME_WEB")
    command = ["npm", "pack", "--silent", "onnxruntime-web"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"npm cannot fetch onnxruntime-web: {done.stderr.strip()[:200]}")
    return folder / done.stdout.strip()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def hosted(folder):
    """The address of a folder on a static host."""
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{host.server_port}"
        finally:
            host.shutdown()
            thread.join()
