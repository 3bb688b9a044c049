"""Arrays of .npz files, from anywhere: no more is unpacked than was asked for and is bounded."""

import io
import math
import zipfile

import numpy as np

LARGEST = 256 << 20  # bytes of the arrays of a file together, unpacked
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(content, names=None):
    """Arrays of an .npz file by name, those of `names` that are there, or all.

    Raises:
        ValueError: if it is no such file, holds anything but numbers and texts, or what is asked
            for has more than `LARGEST` bytes together.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            wanted = [x for x in file.infolist() if x.filename.endswith(".npy")]
            wanted = {x.filename.removesuffix(".npy"): x for x in wanted}
            wanted = {name: x for name, x in wanted.items() if names is None or name in names}
            _check_size(sum(info.file_size for info in wanted.values()))
            return {name: _array(file, info) for name, info in wanted.items()}
    except ValueError:
        raise
    except Exception as error:  # damaged archives and headers raise a dozen kinds
        raise ValueError(f"no arrays ({error})") from error


def write(path, arrays):
    """Write arrays by name to an .npz file.

    Raises:
        ValueError: if `read` would not take them, being larger than `LARGEST` bytes together.
    """
    spare = 1000 * len(arrays)  # for headers
    _check_size(sum(np.asarray(values).nbytes for values in arrays.values()) + spare)
    np.savez_compressed(path, **arrays)


def _check_size(size):
    if size > LARGEST:
        raise ValueError(f"arrays of {size} bytes together, more than {LARGEST}")


def _array(file, info):
    with file.open(info) as member:
        data = io.BytesIO(member.read(info.file_size))  # no more, whatever is in it
    shape, fortran, dtype = _HEADERS[np.lib.format.read_magic(data)](data)
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or dtype.kind not in "iufbSU" or size != len(data.getbuffer()) - data.tell():
        raise ValueError(f"{info.filename} holds no numbers, or not as many as it says")
    values = np.frombuffer(data.getbuffer()[data.tell() :], dtype)
    return values.reshape(shape, order="F" if fortran else "C").copy()
