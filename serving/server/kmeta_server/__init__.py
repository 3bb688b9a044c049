"""Bundles of kmeta over the Open Inference Protocol (V2): onnxruntime, and no containers."""
