"""Packaging of kmeta. BUILD.md says why each dependency is here."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
TENSORFLOW = [  # one of Keras' backends, and what exports and downloads by it
    "tensorflow>=2.21,<2.22",
    "tf2onnx>=1.17,<2",
    "onnx>=1.21,<2",
    "tensorflow-datasets>=4.9.10,<5",
    "importlib_resources>=6",
    "tensorboard>=2.20,<3",
]
JAX = "jax>=0.7"  # the other
SERVER = [  # what serving/server needs besides kmeta-edge, for the tests
    "starlette>=1.3.1,<2",
    "uvicorn>=0.35,<1",
    "h11>=0.16,<1",
    "msgspec>=0.19,<1",
    "python-multipart>=0.0.31,<1",
    "prometheus-client>=0.22,<1",
]


def read_version():
    """The version in kmeta/version.py, read without importing it."""
    source = (HERE / "kmeta" / "version.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)[0]


def read_description():
    """The landing page; absent only where a build is given nothing but the code."""
    readme = HERE / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


setup(
    name="kmeta",
    version=read_version(),
    description="Few-shot and meta-learning for Keras, from paper to production",
    long_description=read_description(),
    long_description_content_type="text/markdown",
    author="The kmeta authors",
    license="Apache-2.0",
    license_files=["LICENSE", "kmeta/weights/NOTICE"],
    keywords="few-shot meta-learning keras tensorflow onnx",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    # kmeta.edge is the package for devices. In a checkout `kmeta/edge` links to it; builds and
    # editable installs take it from where it is, and need no links.
    packages=sorted({*find_packages(include=["kmeta", "kmeta.*"]), "kmeta.edge"}),
    package_dir={"kmeta.edge": "serving/edge/kmeta_edge"},
    package_data={
        "kmeta": ["py.typed"],
        "kmeta.data": ["*.json", "*.npz"],
        "kmeta.weights": ["*.json", "*.keras", "*.npz", "NOTICE"],
    },
    python_requires=">=3.11,<3.14",
    install_requires=[
        "keras>=3.15.1,<4",
        "numpy>=2.0,<3",
        "pillow>=12.3",
        "matplotlib>=3.10,<4",
        "onnxruntime>=1.28,<2",
    ],
    extras_require={
        "tensorflow": TENSORFLOW,
        "heic": ["pillow-heif>=0.22"],
        "docs": [*TENSORFLOW, "pdoc>=16"],
        "jax": [JAX],
        "gpu": [*TENSORFLOW, "tensorflow[and-cuda]>=2.21,<2.22"],
        "test": [
            *TENSORFLOW,
            "pytest>=8.4",
            "pytest-xdist>=3.8",
            "setuptools>=77",
            "tensorflow-serving-api>=2.21,<2.22",
            "nbclient>=0.10",
            "ipykernel>=6.29",
            JAX,
            "openapi-spec-validator>=0.8",
            "playwright>=1.55",
            "axe-playwright-python>=0.1.5",
            *SERVER,
        ],
        "lint": ["ruff>=0.14", "pyright[nodejs]>=1.1.400"],
    },
    entry_points={"console_scripts": ["kmeta = kmeta.cli.main:main"]},
)
