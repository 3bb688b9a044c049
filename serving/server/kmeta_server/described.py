"""What is said of a model: for clients, for the page, and in a folder for static hosts."""

from kmeta_server import pictures, protocol
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
