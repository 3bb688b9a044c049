"""What is in a bundle's folder, for tests."""

from kmeta_edge import arrays, sample
from kmeta_edge.models import Models


def stored(bundle):
    """The arrays of a bundle's sample."""
    return arrays.read((bundle / "sample.npz").read_bytes())


def inputs(bundle):
    """Inputs of all signatures by name."""
    state = bundle / "state.npz"
    return sample.inputs(stored(bundle), arrays.read(state.read_bytes()) if state.exists() else {})


def models(folder):
    """The ONNX files of a folder, which need not be a bundle."""
    return Models({path.stem: path.read_bytes() for path in folder.glob("*.onnx")}, folder)
