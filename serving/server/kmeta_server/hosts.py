"""Whose pages in a browser may ask: the headers Host and Origin."""

import ipaddress
import urllib.parse

from starlette.datastructures import Headers

ANY = "*"


class KnownHosts:
    """Refuses requests for another host, and those that a page of another host makes.

    A page of a stranger can let its own name point to this machine (DNS rebinding), so that a
    browser takes the server for a part of it. Addresses and `localhost` cannot be made to point
    elsewhere; other names are known where they are given.
    """

    def __init__(self, app, names, refuse):
        """Wrap an application.

        Args:
            app: to wrap.
            names: of hosts that are known, `"*"` for any.
            refuse: function of a status and a text to a response.
        """
        self._app, self._refuse = app, refuse
        self._names = {name.lower() for name in names if not _is_address(name)}

    async def __call__(self, scope, receive, send):
        """Pass a request on, or refuse it."""
        app = self._app
        if scope["type"] == "http" and ANY not in self._names:
            headers = Headers(scope=scope)
            host, origin = headers.get("host"), headers.get("origin")
            if host is not None and not self._is_known(host):
                text = "Host must be an address, localhost or a name given by --allow-host"
                app = self._refuse(400, f"{text}. Received: {host[:80]}")
            elif origin is not None and not self._is_own(origin, host):
                app = self._refuse(403, f"Pages of other hosts must not ask. Origin: {origin[:80]}")
        await app(scope, receive, send)

    def _is_known(self, host):
        name = _name(f"//{host}")
        return name in self._names or name == "localhost" or _is_address(name)

    def _is_own(self, origin, host):
        return origin.partition("://")[2] == host or _name(origin) in self._names


def _name(url):
    """The host's name in a URL; empty where there is none."""
    try:
        return urllib.parse.urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
