"""A function of another library in another form, for a while."""

import threading
from collections.abc import Callable
from typing import Any


class Replaced:
    """While inside, a module has another function in place of its own.

    Nests, and may be entered by several threads at once: the last one out puts the stock function
    back.

    Args:
        module: that has the function.
        name: of the function.
        function: what is in its place.

    Attributes:
        stock: the module's own function, None before the first time inside.
        depth: how many are inside.

    Example:
        >>> import math
        >>> with Replaced(math, "sqrt", lambda x: "root"):
        ...     math.sqrt(4.0)
        ...
        'root'
        >>> math.sqrt(4.0)
        2.0
    """

    def __init__(self, module: Any, name: str, function: Callable) -> None:
        self.module, self.name, self.function = module, name, function
        self.stock, self.depth, self._lock = None, 0, threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self.depth == 0:
                self.stock = getattr(self.module, self.name)
                setattr(self.module, self.name, self.function)
            self.depth += 1

    def __exit__(self, *_: Any) -> None:
        with self._lock:
            self.depth -= 1
            if self.depth == 0:
                setattr(self.module, self.name, self.stock)
