"""What is said of a model: for clients, for the page, and in a folder for static hosts."""

import numpy as np

from kmeta_server import pictures, protocol
from kmeta_server.errors import RequestError
from kmeta_server.grown import state_reader


def model(name, version, signature, classifier, settings):
    """A dict: inputs and outputs by the protocol, and what a page must know of the bundle."""
    most = pictures.most(classifier, settings)
    return {
        "name": name,
        "versions": [version],
        "platform": "onnxruntime_onnx",
        "inputs": [tensor.describe() for tensor in signature.inputs.values()],
        "outputs": [tensor.describe() for tensor in signature.outputs.values()],
        "parameters": {
            "signature": signature.name,
            "class_names": classifier.class_names,
            "threshold": classifier.threshold,
            "unknown": classifier.unknown,
            "crop": classifier.crop,
            "most_pictures": most,
            "light_background": most > 0 and classifier.light_background,
            "can_grow": classifier.fixed_way is None,
            "thumbnails": 0 if classifier.thumbnails is None else len(classifier.thumbnails.rows),
        },
    }


def limits(settings):
    """What may be sent, and whether bundles can be had."""
    return {
        "max_request_bytes": settings.max_request_bytes,
        "max_picture_pixels": settings.max_picture_pixels,
        "allow_export": settings.allow_export,
    }


def state(name, version, classifier, settings):
    """The state of a bundle's classes, an answer of the protocol with binary data: its content and
    its headers.

    Raises:
        RequestError: if they are fixed.
    """
    datatypes = state_reader(classifier, settings).datatypes
    request = protocol.Request([], parameters={"binary_data_output": True})
    return protocol.response(request, name, version, classifier.known(), datatypes)


def thumbnails(name, version, classifier):
    """Small copies of pictures that a bundle learned from, an answer as that of `state`.

    Outputs are `copies`, WebP files one after the other, `ends`, where each of them ends, and of
    each `names`, `labels` and `features`.

    Raises:
        RequestError: if it has none.
    """
    small = classifier.thumbnails
    if small is None:
        raise RequestError(404, f"Model '{name[:80]}' has no thumbnails: kmeta fit --thumbnails")
    features, labels, names = classifier.single_pictures()
    if small.features is None:  # these are of all pictures
        features, labels = features[small.rows], labels[small.rows]
        names = [names[row] for row in small.rows]
    arrays = small.arrays()
    outputs = {
        "copies": arrays["copies"],
        "ends": arrays["ends"],
        "labels": labels,
        "features": features,
        "names": np.array(names, dtype=object),
    }
    wanted = [protocol.OutputTensor(name, {"binary_data": name != "names"}) for name in outputs]
    datatypes = {"copies": "UINT8", "features": "FP32", "names": "BYTES"}
    datatypes |= dict.fromkeys(("ends", "labels"), "INT64")
    request = protocol.Request([], outputs=wanted)
    return protocol.response(request, name, version, outputs, datatypes)
