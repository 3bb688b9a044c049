"""Bundles: an adapted classifier as SavedModel and ONNX, with a manifest and a verified sample.

Reading a bundle needs onnxruntime and NumPy; TensorFlow and the converter load when exporting.
"""

from kmeta.exporting.bundle import load_bundle, verify_bundle
from kmeta.exporting.exporter import ExportReport, export
from kmeta.exporting.int8 import Int8, Quantization

__all__ = [
    "ExportReport",
    "Int8",
    "Quantization",
    "export",
    "load_bundle",
    "verify_bundle",
]
