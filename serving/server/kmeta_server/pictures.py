"""Pictures that come as files, one as a body or several in a form, as the model sees them."""

from kmeta_edge import pictures
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from kmeta_server.errors import RequestError, wrong

FORM = "multipart/form-data"
TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", FORM)
_LONGEST = 200  # letters of a file's name
_INVERT = {"": False, "false": False, "true": True}


async def files(request, body, most):
    """The name and the bytes of each picture in a body.

    Raises:
        RequestError: if a form is damaged, or there are more than `most`.
    """
    if not request.headers.get("content-type", "").lower().startswith(FORM):
        return [("picture", bytes(body))]

    async def stream():
        yield bytes(body)

    parser = MultiPartParser(request.headers, stream(), max_files=most, max_fields=0)
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        raise RequestError(400, f"The form cannot be read: {error}") from error
    try:
        uploads = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        return [((part.filename or "")[:_LONGEST], await part.read()) for part in uploads]
    finally:
        await form.close()


def most(classifier, settings):
    """How many pictures of a bundle a request may hold; 0 where it classifies other things."""
    shape = classifier.image_shape
    if not pictures.are_pictures(shape):
        return 0
    return max(1, min(settings.max_images, settings.max_pixels // (shape[0] * shape[1])))


def prepared(found, classifier, settings, invert):
    """Float images `[n, height, width, channels]` in [0, 1], to the pixel as `kmeta predict` has
    them.

    Args:
        found: pairs of a name and the bytes of a file.
        classifier: a bundle in use.
        settings: `Settings`.
        invert: text of the option that swaps dark and light.

    Raises:
        RequestError: if a file is no picture or too large, or there is none.
    """
    if not found:
        raise wrong("The form must hold pictures as files", "none")
    if invert not in _INVERT:
        raise wrong("The option 'invert' must be true or false", invert[:80])
    try:
        return pictures.prepared(
            found,
            classifier.image_shape,
            _INVERT[invert],
            classifier.crop,
            max_pixels=settings.max_picture_pixels,
        )
    except ValueError as error:
        raise RequestError(400, str(error)) from error


def answers(found, class_names, outputs):
    """What is said of each picture, in the order of `found`."""
    rows = zip(
        *(outputs[name].tolist() for name in ("label", "score", "probabilities")), strict=True
    )
    return [
        {
            "name": name,
            "label": label,
            "score": score,
            "probabilities": dict(zip(class_names, row, strict=True)),
        }
        for (name, _), (label, score, row) in zip(found, rows, strict=True)
    ]
