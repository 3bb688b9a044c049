"""Arrays of .npz files from anywhere: no more is unpacked than was asked for and is bounded."""

import io
import math
import zipfile

import numpy as np

LARGEST = 256 << 20  # bytes of one array, unpacked
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(content, names=None, largest=LARGEST):
    """Arrays of an .npz file by name, those of `names` that are there, or all.

    Raises:
        ValueError: if it is no such file, holds anything but numbers and texts, or an array is
            larger than `largest` bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            wanted = [x for x in file.infolist() if x.filename.endswith(".npy")]
            wanted = {x.filename.removesuffix(".npy"): x for x in wanted}
            return {
                name: _array(file, info, largest)
                for name, info in wanted.items()
                if names is None or name in names
            }
    except ValueError:
        raise
    except Exception as error:  # damaged archives and headers raise a dozen kinds
        raise ValueError(f"no arrays ({error})") from error


def _array(file, info, largest):
    if info.file_size > largest:
        raise ValueError(f"{info.filename} has {info.file_size} bytes, more than {largest}")
    with file.open(info) as member:
        data = io.BytesIO(member.read(largest + 1))
    shape, fortran, dtype = _HEADERS[np.lib.format.read_magic(data)](data)
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or dtype.kind not in "iufbSU" or size != len(data.getbuffer()) - data.tell():
        raise ValueError(f"{info.filename} holds no numbers, or not as many as it says")
    values = np.frombuffer(data.getbuffer()[data.tell() :], dtype)
    return values.reshape(shape, order="F" if fortran else "C").copy()
