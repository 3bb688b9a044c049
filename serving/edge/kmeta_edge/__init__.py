"""kmeta on the device: predict and learn new classes, with NumPy and onnxruntime only."""

from .classifier import FewShotClassifier

__all__ = ["FewShotClassifier"]
