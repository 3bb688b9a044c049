"""`sample.npz`: what the signatures of a bundle said when it was written, and of what.

Each image is stored once: `images`, uint8 (vectors float32), `image_bytes`, the same as PNG files,
and `support_labels`. `probabilities` are those of `images`, and `SIGNATURE/OUTPUT` are outputs of
the other signatures for the inputs that `inputs` returns.
"""

import numpy as np

from .images import to_float
from .state import few

NAMES = ("images", "support_labels", "probabilities")  # that a device reads and keeps


def inputs(stored, state):
    """Inputs of all signatures by name: of the arrays of a sample, and of (a part of) a state."""
    images, labels = to_float(stored["images"], "images"), stored["support_labels"]
    found = {
        "images": images,
        "queries": images,
        "support_images": images[np.arange(len(labels)) % len(images)],
        "support_labels": labels,
        **few(state),
    }
    if "image_bytes" in stored:
        found["image_bytes"] = stored["image_bytes"]
        found["raw_images"] = stored["images"].repeat(2, axis=1)  # to be resized
    return found


def outputs(stored, signature):
    """Outputs of a signature by name."""
    if signature == "serving_default":
        return {"probabilities": stored["probabilities"]}
    prefix = f"{signature}/"
    return {n.removeprefix(prefix): x for n, x in stored.items() if n.startswith(prefix)}


def light_background(images):
    """Whether the images of a sample are bright at their rims; `[n, height, width, channels]`."""
    images = to_float(images, "images")
    rims = images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]
    return float(np.mean([rim.mean() for rim in rims])) > 0.5
