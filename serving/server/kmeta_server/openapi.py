"""What a server can be asked, as OpenAPI 3.1 describes it."""

_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"enum": ["FP32", "INT64", "UINT8", "BYTES"]},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "parameters": {"type": "object"},
        "data": {"type": "array", "description": "flat, or nested as the shape"},
    },
}
_SCHEMAS = {
    "Tensor": _TENSOR,
    "Inputs": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
            "outputs": {"type": "array", "items": {"type": "object"}},
        },
    },
    "Outputs": {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
        },
    },
    "Model": {
        "type": "object",
        "required": ["name", "versions", "platform", "inputs", "outputs", "parameters"],
        "properties": {
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}},
            "platform": {"type": "string"},
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
            "parameters": {"type": "object"},
        },
    },
    "Answers": {
        "type": "object",
        "required": ["model_name", "model_version", "pictures"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "pictures": {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}},
        },
    },
    "Answer": {
        "type": "object",
        "required": ["name", "label", "score", "probabilities"],
        "properties": {
            "name": {"type": "string", "description": "of the file, 'picture' of a body alone"},
            "label": {"type": "string", "description": "a class, or unknown"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "probabilities": {
                "type": "object",
                "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
    },
}
_MODEL = "/v2/models/{model}"
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_PICTURES = {
    **{
        f"image/{kind}": {"schema": {"type": "string", "format": "binary"}}
        for kind in ("jpeg", "png", "webp", "gif", "bmp")
    },
    "multipart/form-data": {"schema": {"type": "object", "properties": {"pictures": _FILES}}},
}
_INVERT = {
    "name": "invert",
    "in": "query",
    "description": "swap dark and light",
    "schema": {"type": "boolean", "default": False},
}


def document(version):
    """The description of a server of a version, a dict."""
    inputs, outputs = {**_json("Inputs"), **_BINARY}, {**_json("Outputs"), **_BINARY}
    paths = {
        "/v2": {"get": _operation("Name, version and limits of the server")},
        "/v2/health/live": {"get": _operation("Whether it lives")},
        "/v2/health/ready": {"get": _operation("Whether there is anything to ask")},
        "/v2/repository/index": {"post": _operation("The models that are served", _LIST)},
        "/metrics": {"get": _operation("Counts and latencies, for Prometheus", _TEXT)},
        "/openapi.json": {"get": _operation("This description")},
        f"{_MODEL}/pictures": {
            "post": _operation(
                "Classes of pictures, one as the body or several in a form",
                _json("Answers"),
                _PICTURES,
                [_INVERT],
            )
        },
        f"{_MODEL}/prepare": {
            "post": _operation(
                "Pictures as the model sees them: the tensor `images`, which other signatures take",
                _BINARY,
                _PICTURES,
                [_INVERT],
            )
        },
        f"{_MODEL}/state": {
            "get": _operation(
                "What is known of the classes of a bundle, to which the results of `adapt` can be "
                "joined",
                _BINARY,
            )
        },
        f"{_MODEL}/thumbnails": {
            "get": _operation(
                "Small copies of pictures that a bundle was made of, and what it sees in each; "
                "where it was made with --thumbnails",
                _BINARY,
            )
        },
        f"{_MODEL}/bundle": {
            "post": _operation(
                "A bundle of other classes: inputs are a state, the parameter `class_names` its "
                "names. Only with --allow-export",
                {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
                inputs,
            )
        },
    }
    for path in (_MODEL, _MODEL + "/versions/{version}"):
        paths[path] = {"get": _operation("Inputs and outputs of a model", _json("Model"))}
        paths[f"{path}/ready"] = {"get": _operation("Whether a model is there")}
        paths[f"{path}/infer"] = {"post": _operation("An answer to tensors", outputs, inputs)}
    for path, operations in paths.items():
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
        if parameters:
            operations["parameters"] = parameters
    info = {"title": "kmeta-server", "version": version, "license": {"name": "Apache-2.0"}}
    schemas = {"schemas": _SCHEMAS}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": schemas}


def _json(schema):
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


_OBJECT = {"application/json": {"schema": {"type": "object"}}}
_LIST = {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}


def _operation(summary, content=None, body=None, parameters=()):
    """One operation: what it answers, and what it takes."""
    answers = {
        "200": {"description": "the answer", "content": content or _OBJECT},
        "default": {"description": "what is wrong, in one line", "content": _json("Error")},
    }
    found = {"summary": summary, "responses": answers}
    if parameters:
        found["parameters"] = list(parameters)
    return found if body is None else {**found, "requestBody": {"content": body, "required": True}}
