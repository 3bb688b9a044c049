"""What `/metrics` shows, for Prometheus."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """Counts of one server."""

    def __init__(self):
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        of_model = {"labelnames": ["model"], "registry": self._registry}
        self.requests = Counter(
            "kmeta_requests",
            "Requests for inference by model (empty if there is none of that name) and status.",
            ["model", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "kmeta_request_seconds",
            "Seconds from the body of a request to its answer.",
            buckets=_SECONDS,
            **of_model,
        )
        self.images = Histogram(
            "kmeta_batch_images", "Images predicted at once.", buckets=_IMAGES, **of_model
        )
        self.loads = Counter(
            "kmeta_loads",
            "Bundles that were loaded, or refused, while the server ran.",
            ["model", "outcome"],
            registry=self._registry,
        )
        self.bundles = Gauge("kmeta_bundles", "Bundles that are served.", registry=self._registry)

    def text(self):
        """All of them, bytes."""
        return generate_latest(self._registry)
