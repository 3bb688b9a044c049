"""What a server can be told."""

from typing import NamedTuple


class Settings(NamedTuple):
    """Limits of a server.

    host, port: where it listens; port 0 is any that is free.
    hosts: names, beside addresses and localhost, by which clients may call it; `"*"` for any.
    max_request_bytes: of the body of a request.
    max_bodies_bytes: of all bodies above 64 KiB at the same time; others wait. At least twice
        `max_request_bytes`.
    max_images: of every free dimension of an input: images, support items, classes.
    max_picture_pixels: of a picture that comes as a file, before it is resized.
    max_pixels: of the images of an input together, images x height x width.
    workers: predictions at the same time.
    threads: of each.
    batch_size: images of a batch.
    batch_delay: seconds that images wait for others while a batch is not full.
    reload_seconds: between two looks for new versions.
    allow_export: whether bundles with other classes can be downloaded.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple = ()
    max_request_bytes: int = 32 << 20
    max_bodies_bytes: int = 64 << 20
    max_images: int = 1024
    max_picture_pixels: int = 12_500_000
    max_pixels: int = 1 << 23
    workers: int = 1
    threads: int = 1
    batch_size: int = 32
    batch_delay: float = 0.0
    reload_seconds: float = 1.0
    allow_export: bool = False
