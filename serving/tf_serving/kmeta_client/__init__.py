"""Clients of kmeta's bundles on TensorFlow Serving.

`RestClient` needs NumPy only, `GrpcClient` the package tensorflow-serving-api.
"""

from kmeta_client.client import Answer, Client, ServingError
from kmeta_client.over_rest import RestClient

__all__ = ["Answer", "Client", "GrpcClient", "RestClient", "ServingError"]


def __getattr__(name):
    if name == "GrpcClient":
        from kmeta_client.over_grpc import GrpcClient

        return GrpcClient
    raise AttributeError(f"module 'kmeta_client' has no attribute {name!r}")
