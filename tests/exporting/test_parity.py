"""Exported classifiers of every kind say what Keras says."""

import json

import bundled
import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers

import kmeta
from kmeta.exporting import endpoints, load_bundle, onnx_model, saved_model

WAY = 5


def bytes_and_floats():
    pixels = np.random.default_rng(5).integers(0, 256, (17, 28, 28, 1)).astype("uint8")
    return pixels, pixels / np.float32(255)


def functional():
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(4, 3, strides=2)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(layers.Activation("gelu")(x))
    left = layers.GlobalAveragePooling2D()(x)
    right = layers.LayerNormalization()(layers.Dense(4)(layers.Flatten()(x)))
    return keras.Model(inputs, layers.Concatenate()([left, right]))


def sequential():
    return keras.Sequential(
        [kmeta.layers.Conv4(4, "stride", "mean", scale=False), layers.Dense(WAY)]
    )


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = [layers.Conv2D(3, 5, strides=3), layers.BatchNormalization(), layers.Flatten()]
        self.head = layers.Dense(WAY)

    def call(self, x, training=None):
        for part in self.parts:
            x = part(x, training=training) if "normal" in part.name else part(x)
        return self.head(keras.ops.tanh(x))


LEARNERS = {
    "prototypical_conv4": lambda: kmeta.PrototypicalNetwork(kmeta.layers.Conv4(4)),
    "prototypical_cosine_functional": lambda: kmeta.PrototypicalNetwork(
        functional(), distance="cosine", scale=10.0
    ),
    "prototypical_subclassed": lambda: kmeta.PrototypicalNetwork(Subclassed(), bn_mode="batch"),
    "maml_support": lambda: kmeta.MAML(sequential(), inner_steps=2),
    "maml_batch_subclassed": lambda: kmeta.MAML(Subclassed(), bn_mode="batch"),
    "maml_running": lambda: kmeta.MAML(
        keras.Sequential([functional(), layers.Dense(WAY)]), bn_mode="running"
    ),
}


def adapted(make):
    """A classifier whose network has no weight at its initial value."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(3)
    support = rng.random((WAY, 28, 28, 1), dtype="float32")
    learner = make()
    learner.build(support.shape[1:])
    for weight in learner.weights:
        weight.assign(weight + rng.uniform(0.0, 0.2, weight.shape))
    return learner.adapt(support, np.arange(WAY))


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_both_models_equal_keras(name, tmp_path):
    """Without the fresh process, which the shared bundle has gone through."""
    classifier = adapted(LEARNERS[name])
    table = endpoints.table(classifier)
    functions = saved_model.trace({"serving_default": table["serving_default"]})
    saved_model.save(functions, str(tmp_path / "saved_model"), classifier.class_names)
    graphs = endpoints.graphs(classifier)
    onnx_model.save(graphs["classifier"], str(tmp_path / "m.onnx"), {})
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    signature = loaded.signatures["serving_default"]
    pixels, floats = bytes_and_floats()
    expected = classifier.predict(pixels, verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.01  # the images are not all alike to it
    for size in (1, 3, 17):
        outputs = signature(images=tf.constant(floats[:size]))
        assert set(outputs) == {"probabilities", "label", "score"}
        (found,) = session.run(["probabilities"], {"images": floats[:size]})
        np.testing.assert_allclose(outputs["probabilities"], expected[:size], atol=1e-5)
        np.testing.assert_allclose(found, expected[:size], atol=1e-5)


@pytest.mark.parametrize(("name", "head"), [("prototypical_conv4", 34), ("maml_support", 24)])
def test_no_loop_and_no_copy_of_the_network(name, head):
    """One task's graph is flat: the network's own and `head` operations or fewer."""
    classifier = adapted(LEARNERS[name])
    endpoint = endpoints.table(classifier)["serving_default"]
    signature = saved_model.trace({"serving_default": endpoint})["serving_default"]
    graph = signature.graph.as_graph_def()
    operations = {node.op for node in graph.node}
    assert not {op for op in operations if "While" in op or op.startswith("TensorList")}
    state = {id(v.value) for v in classifier.weights}
    assert {id(v) for v in signature.graph.variables} <= state

    def network(images):
        return {"y": classifier.learner.network(images, training=False)}

    nodes, bare = (
        [node.op_type for node in onnx_model.convert(made).graph.node]
        for made in (
            endpoints.graphs(classifier)["classifier"],
            endpoint._replace(function=network, settings={}),
        )
    )
    assert nodes.count("Conv") == 4
    assert not {"Loop", "If", "Identity", "BatchNormalization"} & set(nodes)
    assert len(nodes) <= len(bare) + head


@pytest.mark.slow
def test_classifier_from_a_file_exports(classifier, images, tmp_path):
    """A loaded classifier, and a whole export without a sample."""
    classifier.save(tmp_path / "classifier.keras")
    loaded = keras.models.load_model(tmp_path / "classifier.keras")
    report = kmeta.export(loaded, tmp_path / "bundle")
    assert max(report.saved_model_difference, report.onnx_difference) < 2e-6
    bundle = load_bundle(tmp_path / "bundle")
    np.testing.assert_allclose(bundle.predict(images), classifier(images), atol=2e-6)
    sample = bundled.stored(tmp_path / "bundle")
    assert sample["images"].shape == (3, 28, 28, 1)
    np.testing.assert_allclose(classifier(sample["images"]), sample["probabilities"], atol=2e-6)


def test_report(exported):
    report, path = exported
    assert report.path == path
    assert 0 <= report.saved_model_difference < 2e-6
    assert 0 <= report.onnx_difference < 2e-6
    assert report.size == sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    text = str(report)
    assert str(path) in text
    assert f"{report.onnx_difference:.1e} (ONNX)" in text
    with pytest.raises(AttributeError):
        report.size = 0


def test_saved_model_stores_what_is_used(exported, classifier):
    """Variables: the embedding's copies and the prototypes, once for all signatures."""
    reader = tf.train.load_checkpoint(str(exported[1] / "saved_model/1/variables/variables"))
    stored = sum(
        int(np.prod(shape))
        for name, shape in reader.get_variable_to_shape_map().items()
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    )
    assert stored == sum(int(np.prod(weight.shape)) for weight in classifier.weights)


def test_onnx_file_speaks_for_itself(exported, classifier):
    model = onnx.load(exported[1] / "classifier.onnx")
    onnx.checker.check_model(model, full_check=True)
    (images,) = model.graph.input
    outputs = {output.name: output for output in model.graph.output}
    assert set(outputs) == {"probabilities", "label", "score", "embeddings"}
    probabilities = outputs["probabilities"]
    settings = {x.name: onnx.numpy_helper.to_array(x) for x in model.graph.initializer}
    assert (settings["temperature"], settings["threshold"]) == (pytest.approx(1.0, rel=2e-7), 0.0)
    dims = [d.dim_param or d.dim_value for d in images.type.tensor_type.shape.dim]
    assert (images.name, dims) == ("images", ["batch", 28, 28, 1])
    dims = [d.dim_param or d.dim_value for d in probabilities.type.tensor_type.shape.dim]
    assert (probabilities.name, dims) == ("probabilities", ["batch", 5])
    assert [13 <= opset.version <= 18 for opset in model.opset_import if not opset.domain] == [True]
    properties = {p.key: p.value for p in model.metadata_props}
    assert json.loads(properties["kmeta.class_names"]) == classifier.class_names
    assert json.loads(properties["kmeta.input_shape"]) == [28, 28, 1]
    assert properties["kmeta.learner"] == "kmeta>PrototypicalNetwork"
    assert properties["kmeta.bn_mode"] == "running"
    assert "divided by 255" in properties["kmeta.scaling"]
    assert properties["kmeta.format_version"] == "3"
