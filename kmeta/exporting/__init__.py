"""Bundles: an adapted classifier as SavedModel and ONNX, with a manifest and a verified sample.

Reading a bundle needs onnxruntime and NumPy; TensorFlow and the converter load when exporting.
"""

from kmeta.exporting.bundle import Bundle, load_bundle, verify_bundle
from kmeta.exporting.exporter import ExportReport, export

__all__ = ["Bundle", "ExportReport", "export", "load_bundle", "verify_bundle"]
