"""Which backbone suits a user's pictures: packaged ones are tried on the pictures themselves."""

import warnings

import keras
import numpy as np

from kmeta import weights as packaged
from kmeta.data.directory import read_classes
from kmeta.data.pictures import coloured, digest, warn_of_duplicates
from kmeta.few_shot import backbones, duplicates, left_out
from kmeta.few_shot.album import Album
from kmeta.few_shot.support_set import SupportSet
from kmeta.learners.metric.prototypical import PrototypicalNetwork
from kmeta.learners.metric.r2d2 import R2D2

AUTO = "auto"
TRIED = ("photos", "prototypical-omniglot")
PIXELS = "raw pixels"  # 32 x 32, by which every backbone is judged
SIDE = 32
FEW = 250  # pictures, up to which several views of each are learned from
_COLOURED = 0.02  # mean range of the channels of a picture, of 1
_TWO_TONES = 0.8  # share of a drawing's pixels that are near to its darkest or lightest


def albums(backbone, weights, size, invert, head, count):
    """`{name: Album}` of the backbones to try; only one unless `backbone` is "auto".

    count: of the pictures to learn from. Where they are many, each is looked at once: further
        views of them would tell little more, and take room and time.
    """
    if backbone == AUTO and (weights != "imagenet" or size is not None):
        raise ValueError(
            "Arguments `weights` and `size` go with a `backbone` that is named. Received: 'auto'"
        )
    found = {}
    for name in TRIED if backbone == AUTO else (backbone,):
        learner = backbones.learner_of(name, weights, size, head)
        if count > FEW and isinstance(learner, R2D2):
            learner = learner.with_options(views=1, many=count > learner.feature_shape[0])
        known = isinstance(name, str) and name in packaged.names()
        light = known and packaged.about(name)["light_on_dark"]
        found[name if isinstance(name, str) else type(name).__name__] = Album(
            learner, invert, light
        )
    return found


def pixel_album():
    """An `Album` of raw pixels, compared with the means of their classes."""
    learner = PrototypicalNetwork(keras.layers.Flatten(), distance="cosine")
    learner.build((SIDE, SIDE, 3))
    return Album(learner)


def read(folder, albums, others, skip_unreadable, limits, progress):
    """Add the pictures of a folder to all albums, and to others that take them; its
    `kmeta.data.directory.Pictures`.

    Warns of duplicates, and of coloured pictures that a learner of grey drawings is to see.
    """
    grey = next(iter(albums.values())).image_shape[-1] == 1

    def look(image):
        for other in filter(None, others):
            other.add(image)
        marks = [digest(album.add(image)) for album in albums.values()]
        return marks[0], grey and coloured(image)

    found = read_classes(folder, look, skip_unreadable, limits, progress)
    digests, colours = zip(*found.pictures, strict=True)
    if any(colours):
        warnings.warn(
            "Pictures are coloured, and the backbone sees grey drawings only. For photographs "
            "choose photos",
            stacklevel=3,
        )
    warn_of_duplicates(digests, found.files)
    return found


def choose(albums, pixels, labels, class_names):
    """Try the backbones on the pictures in their albums.

    Args:
        albums: of `albums`, with all pictures in them.
        pixels: of `pixel_album`, with the same.
        labels: int `[n]`; class_names: of the classes.

    Returns:
        `(name, support, estimates)` of the backbone to take: the `SupportSet` of what its album
        keeps of the pictures; and `{name: LeaveOneOut or None}` of all, with "raw pixels", in which
        the same near-duplicates are left out together. Warns where the backbone is no better than
        these.
    """
    supports = {name: album.close() for name, album in albums.items()}
    groups = duplicates.groups(next(iter(supports.values())), labels)
    raw, estimates = pixels.close(), {}
    for name, album in {**albums, PIXELS: pixels}.items():
        support = supports.get(name, raw)
        estimates[name] = left_out.estimate(album.learner, support, labels, class_names, groups)
    taken = best({name: e and e.accuracy for name, e in estimates.items() if name in albums}, raw)
    _warn_of_pixels(taken, estimates[taken], estimates[PIXELS])
    return taken, SupportSet(supports[taken], labels, class_names, groups), estimates


def _warn_of_pixels(name, ours, pixels):
    if ours is not None and ours.accuracy <= min(pixels.accuracy, 0.95):
        warnings.warn(
            f"DO NOT RELY ON THIS CLASSIFIER: {name} tells {100 * ours.accuracy:.0f} % of the "
            f"left-out pictures right, and comparing raw pixels {100 * pixels.accuracy:.0f} %. It "
            "does not see what tells these classes apart: choose another backbone, or give more "
            "pictures",
            stacklevel=5,
        )


def best(accuracies, pixels):
    """The name of the backbone to take.

    That with the best accuracy of left-out pictures; where several have it, or no picture can be
    left out, photographs or drawings by how the pictures look.

    Args:
        accuracies: `{name: accuracy or None}`, see `TRIED`.
        pixels: `[n, 32 * 32 * 3]`, of all pictures.

    >>> best({"photos": 0.9, "prototypical-omniglot": 0.4}, np.zeros((3, 3072)))
    'photos'
    """
    known = [accuracy for accuracy in accuracies.values() if accuracy is not None]
    first = [name for name, a in accuracies.items() if not known or a == max(known)]
    if len(first) == 1:
        return first[0]
    return first[-1 if are_drawings(pixels) else 0]


def are_drawings(pixels):
    """Whether pictures `[n, 32 * 32 * 3]` are grey and mostly of two tones."""
    pixels = np.reshape(pixels, (len(pixels), -1, 3))
    if np.ptp(pixels, axis=-1).mean() > _COLOURED:
        return False
    grey = pixels.mean(-1)
    low, high = grey.min(1, keepdims=True), grey.max(1, keepdims=True)
    place = (grey - low) / np.maximum(high - low, 1e-6)
    return bool(np.mean((place < 0.25) | (place > 0.75)) > _TWO_TONES)
