"""Any image classification set of TensorFlow Datasets."""

import socket
import urllib.request

import numpy as np
from PIL import Image

from kmeta.checks import one_of
from kmeta.data.dataset import from_arrays
from kmeta.data.pixels import side_lengths, stack, to_array


def load(name, split, data_dir=None, size=None, channels=None):
    """Return a split of the TensorFlow Datasets set `name`, which is downloaded where needed.

    Args:
        name: as TensorFlow Datasets calls it, such as "mnist", also with a configuration or
            version. The set must have the features "image" and "label" (a `ClassLabel`).
        split: as TensorFlow Datasets calls it, such as "train" or "test[:10%]".
        data_dir: where TensorFlow Datasets keeps its data; None for its own default.
        size: side in pixels, or `(height, width)`, to resize to; None needs images of one size.
        channels: 1, 3, or None for what the set has.

    Returns:
        A `Dataset` of uint8 images.

    Raises:
        ImportError: if tensorflow-datasets is not installed.
        ValueError: if the set or the split is unknown, or it has no images with class labels.
    """
    size = side_lengths(size)
    one_of("channels", channels, (None, 1, 3))
    builder = prepare(name, data_dir)
    features = builder.info.features
    named = "label" in features and hasattr(features["label"], "names")
    if "image" not in features or not named:
        raise ValueError(
            'The data set must have the features "image" and "label" (a ClassLabel). '
            f"Received: {name!r} with {sorted(features)}"
        )
    images, labels = [], []
    for example in examples(builder, split):
        picture = example["image"]
        image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
        images.append(to_array(image, size, channels))
        labels.append(int(example["label"]))
    if not images or min(labels) < 0:
        raise ValueError(f"The split must have labelled images. Received: {name!r}, {split!r}")
    images = stack(images, [f"image {i}" for i in range(len(images))])
    return from_arrays(images, np.array(labels), features["label"].names, f"tfds:{name}-{split}")


def prepare(name, data_dir=None, downloads=False):
    """Return the TensorFlow Datasets builder of set `name`, its data downloaded and prepared.

    downloads: True where it is known that unprepared data must be downloaded: a machine that is
        offline is then told so at once, where TensorFlow Datasets retries for minutes.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"Loading {name!r} needs tensorflow-datasets: pip install tensorflow-datasets"
        ) from error
    try:
        builder = tfds.builder(name, data_dir=None if data_dir is None else str(data_dir))
    except tfds.core.registered.DatasetNotFoundError as error:
        raise ValueError(
            f"TensorFlow Datasets has no such set. Received: {name!r}: {error}"
        ) from error
    if downloads and not builder.is_prepared():
        _reach_network(name)
    builder.download_and_prepare()
    return builder


def _reach_network(name):
    if urllib.request.getproxies():
        return
    try:
        socket.getaddrinfo("storage.googleapis.com", 443)
    except OSError as error:
        raise ConnectionError(f"Downloading {name!r} needs a network: {error}") from error


def examples(builder, split):
    """Yield the examples of a split as dictionaries of NumPy arrays."""
    import tensorflow_datasets as tfds

    known = sorted(builder.info.splits)
    if split.split("[")[0] not in known:
        raise ValueError(f"Argument `split` must be one of {known}. Received: split={split!r}")
    yield from tfds.as_numpy(builder.as_dataset(split=split))
