"""Put a bundle under TensorFlow Serving: `kmeta-deploy BUNDLE MODEL_FOLDER`."""

import argparse
import os
import pathlib
import shutil
import sys
import uuid

BATCHING = """max_batch_size { value: 64 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 1000 }
num_batch_threads { value: 4 }
"""
_FOLDER = "saved_model/1/"
_BY_ROWS = ("serving_default", "serving_bytes", "serving_raw", "embed")


def deploy(bundle, folder, batching=False):
    """Copy the SavedModel of a bundle into a model's folder as its next version.

    The version appears whole: the server, which looks for numbers, does not see it before.

    Args:
        bundle: folder that `kmeta.export` wrote.
        folder: of the model on the server, as `base_path` in `models.config`.
        batching: let the server join requests. Only for a model that is asked for
            `serving_default`, `serving_bytes` and `embed` alone: the server joins the rows of all
            inputs, and would mix the classes of different clients in the others. Warm-up requests
            of these are left out, for the server would refuse them and the version with them.

    Returns:
        The number of the version.

    Raises:
        ValueError: if `bundle` is none, was changed since its export, or has a SavedModel that
            reads or writes files, or calls Python.
        ImportError: if kmeta-edge, which reads bundles, is not installed.
    """
    files = _files(bundle)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    versions = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    version = max(versions, default=0) + 1
    temporary = folder / f".{uuid.uuid4().hex}"
    try:
        for name, file in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, temporary / name)
        if batching:
            (temporary / "batching_params.pbtxt").write_text(BATCHING)
            _keep_rows(temporary / "assets.extra" / "tf_serving_warmup_requests")
        os.rename(temporary, folder / str(version))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return version


def _files(bundle):
    """The files of a bundle's SavedModel, once they are as they were written: paths by name."""
    try:
        from kmeta_edge.bundle import read
    except ImportError as error:
        raise ImportError(f"kmeta-deploy needs the package kmeta-edge ({error})") from error
    manifest, _ = read(bundle, whole=True)
    names = [name for name in manifest["files"] if name.startswith(_FOLDER)]
    if f"{_FOLDER}saved_model.pb" not in names:
        raise ValueError(
            f"Argument `bundle` must be a bundle of kmeta.export. Received: '{bundle}', which has "
            f"no {_FOLDER}saved_model.pb"
        )
    return {name.removeprefix(_FOLDER): pathlib.Path(bundle) / name for name in names}


def _keep_rows(file):
    """Leave in a TFRecord of warm-up requests those whose tensors have one row an image.

    A record is its length (8 bytes), a checksum (4), the request and a checksum (4). Each request
    begins with its ModelSpec, whose field 3 is the signature.
    """
    if not file.is_file():
        return
    fields = [b"\x1a" + bytes([len(name)]) + name.encode() for name in _BY_ROWS]
    data, kept, begin = file.read_bytes(), [], 0
    while begin < len(data):
        end = begin + 16 + int.from_bytes(data[begin : begin + 8], "little")
        if any(field in data[begin : begin + 64] for field in fields):
            kept.append(data[begin:end])
        begin = end
    file.write_bytes(b"".join(kept))


def main(arguments=None):
    """Run the command line; returns 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="kmeta-deploy", description=__doc__)
    parser.add_argument("bundle", metavar="BUNDLE")
    parser.add_argument("folder", metavar="MODEL_FOLDER")
    parser.add_argument(
        "--batching",
        action="store_true",
        help="for serving_default, serving_bytes and embed only: others must not be joined",
    )
    parsed = parser.parse_args(arguments)
    try:
        version = deploy(parsed.bundle, parsed.folder, parsed.batching)
    except (ValueError, OSError, ImportError) as error:
        print(f"kmeta-deploy: error: {error}", file=sys.stderr)
        return 2
    print(f"{parsed.folder}: version {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
