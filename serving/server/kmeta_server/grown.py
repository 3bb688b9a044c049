"""A bundle of other classes, for those who taught them in the page."""

import pathlib
import shutil
import tempfile

from kmeta_server.errors import RequestError, wrong
from kmeta_server.signatures import Signature


def state_reader(classifier, settings):
    """A `Signature` that reads a state alone."""
    if "classify" not in classifier.signatures or classifier.fixed_way is not None:
        raise RequestError(400, "The classes of this bundle are fixed: its learner trains to adapt")
    signature = Signature(classifier, "classify", settings)
    del signature.inputs["queries"]
    return signature


def class_names(request):
    """The names in the parameters of a request.

    Raises:
        RequestError: if there are none.
    """
    names = (request.parameters or {}).get("class_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise wrong("The parameter 'class_names' must be a list of texts", type(names).__name__)
    return names


def packed(classifier, name, names, known):
    """A zip archive, bytes, of a bundle with other classes, in a folder `name`.

    Raises:
        RequestError: if names and state do not go together.
    """
    try:
        grown = classifier.with_classes(names, known)
    except ValueError as error:
        raise RequestError(400, str(error)) from error
    with tempfile.TemporaryDirectory() as place:
        grown.save(pathlib.Path(place, "out", name))
        archive = shutil.make_archive(f"{place}/bundle", "zip", f"{place}/out")
        return pathlib.Path(archive).read_bytes()
