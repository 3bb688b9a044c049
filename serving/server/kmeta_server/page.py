"""The page for people: files of a folder, and what a browser may do with them."""

import pathlib

from starlette.responses import Response
from starlette.routing import Route

FOLDER = pathlib.Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}


def routes():
    """The routes of the page: `/`, and each of its files by its name."""
    files = {path.name: path for path in FOLDER.iterdir() if path.suffix in TYPES}
    return [_route("/", files["index.html"])] + [
        _route(f"/{name}", path) for name, path in sorted(files.items()) if name != "index.html"
    ]


def _route(at, path):
    content, kind = path.read_bytes(), TYPES[path.suffix]

    async def send(_):
        return Response(content, headers={**HEADERS, "Content-Type": kind})

    return Route(at, send)
