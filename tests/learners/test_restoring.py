"""Files that name what could run code, read files or reach the network are refused, unrun.

One file for each kind of attack that is known of Keras' format, made here and given to Keras'
`load_model` with and without its safe mode, and to `from_config`.
"""

import base64
import json
import marshal
import random
import zipfile

import attack_kinds
import keras
import numpy as np
import pytest
from keras import layers, tree
from specimens import SIZE, SPECIMENS

import kmeta
from kmeta import learners
from kmeta.learners.bounds import bounded
from kmeta.learners.restoring import LAYERS, check_config, layer_class, restored

FORBIDDEN = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup")


def layer(kind, home="keras.layers", /, **config):
    return {"module": home, "class_name": kind, "config": config, "registered_name": None}


def function(name, module):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def dense(activation):
    return layer("Dense", units=3, activation=activation)


def sequential(*parts):
    return layer("Sequential", "keras", name="s", layers=list(parts))


def bytecode(marker):
    """A function that would leave a file behind, as a Lambda layer holds it."""
    code = compile(f"open({str(marker)!r}, 'w').close()", "attack", "exec")
    text = base64.b64encode(marshal.dumps(code)).decode()
    held = {"class_name": "__lambda__", "config": {"code": text, "defaults": None, "closure": None}}
    return layer("Lambda", function=held, output_shape=None, mask=None, arguments={})


ATTACKS = {
    "CVE-2024-3660 bytecode": lambda at: bytecode(at),
    "CVE-2025-1550 any function": lambda at: dense(function("system", "os")),
    "CVE-2025-8747 Keras' own functions": lambda at: dense(function("get_file", "keras.utils")),
    "CVE-2025-9906 safe mode switched off": lambda at: sequential(
        dense(function("enable_unsafe_deserialization", "keras.config")), bytecode(at)
    ),
    "CVE-2025-49655 TorchModuleWrapper": lambda at: layer("TorchModuleWrapper", module=str(at)),
    "CVE-2025-12058 StringLookup": lambda at: layer("StringLookup", vocabulary="/etc/hostname"),
    "CVE-2026-1462 TFSMLayer": lambda at: layer("TFSMLayer", filepath=str(at)),
    "CVE-2026-12481 Lambda deep inside": lambda at: sequential(
        layer("TimeDistributed", layer=sequential(bytecode(at)))
    ),
    "a foreign class": lambda at: layer("Popen", "subprocess", args=["touch", str(at)]),
    "a function where a class should be": lambda at: dense(layer("get", "keras.initializers")),
    "a class that another module imports": lambda at: dense(
        layer("KerasTensor", "keras.src.ops.core")
    ),
    "a name that looks alike": lambda at: dense(layer("Zeros", "keras.initializers_of_others")),
    "bytecode by a known name": lambda at: dense(
        {**bytecode(at)["config"]["function"], "registered_name": "kmeta>Classifier"}
    ),
    "a spoofed name": lambda at: {**dense(function("system", "os")), "registered_name": "kmeta>no"},
}


def objects_in(config):
    """Names of the arguments that hold a serialised object."""
    return [name for name, value in config.items() if isinstance(value, dict) and name != "dtype"]


@pytest.mark.parametrize("kind", SPECIMENS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_no_argument_of_any_learner_takes_it(kind, attack, tmp_path):
    learner, at = SPECIMENS[kind].make(), tmp_path / "ran"
    config = learner.get_config()
    assert type(learner).from_config(config).get_config() == config
    names = objects_in(config)
    assert names
    for name in names:
        with pytest.raises(ValueError, match="A file may not name"):
            type(learner).from_config({**config, name: ATTACKS[attack](at)})
    assert not at.exists()


@pytest.mark.parametrize("safe_mode", [True, False])
@pytest.mark.parametrize("attack", ATTACKS)
def test_files_are_refused(attack, safe_mode, tmp_path):
    x, at = np.eye(3, dtype="float32"), tmp_path / "ran"
    learner = kmeta.PrototypicalNetwork(layers.Dense(3))
    learner.adapt(x, np.arange(3))
    learner.save(tmp_path / "good.keras")
    with (
        zipfile.ZipFile(tmp_path / "good.keras") as good,
        zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad,
    ):
        for name in good.namelist():
            content = good.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["network"] = ATTACKS[attack](at)
                content = json.dumps(config).encode()
            bad.writestr(name, content)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "good.keras").image_shape, [3])
    with pytest.raises((ValueError, TypeError), match="A file may not name"):
        keras.models.load_model(tmp_path / "bad.keras", safe_mode=safe_mode)
    assert not at.exists()


def test_the_settings_of_training_are_restored_by_the_same_list(tmp_path):
    learner = kmeta.PrototypicalNetwork(layers.Dense(3))
    learner.compile(keras.optimizers.SGD(0.5), metrics=["accuracy"])
    config = learner.get_compile_config()
    copy = kmeta.PrototypicalNetwork(layers.Dense(3))
    copy.compile_from_config(config)
    assert float(copy.optimizer.learning_rate) == 0.5
    for attack in ATTACKS.values():
        with pytest.raises(ValueError, match="A file may not name"):
            copy.compile_from_config({**config, "loss": attack(tmp_path / "ran")})
    assert not (tmp_path / "ran").exists()


def test_only_layers_that_compute_are_on_the_list():
    assert {"Conv2D", "Dense", "Flatten", "LSTMCell", "Rescaling"} <= LAYERS
    assert not LAYERS & {*FORBIDDEN, "TextVectorization", "IntegerLookup", "Hashing", "Wrapper"}
    assert layer_class("Flatten") is layers.Flatten
    for name in (*FORBIDDEN, "__doc__", "add", None, ["Dense"]):
        with pytest.raises(ValueError, match="only computes. Received"):
            layer_class(name)


@keras.saving.register_keras_serializable("tests")
class Own(layers.Layer):
    def call(self, x):
        return 2 * x


def test_what_people_use_is_restored():
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, activation=keras.activations.gelu, kernel_regularizer="l2")(image)
    x = keras.ops.mean(keras.ops.relu(x + 1.0), axis=(1, 2))
    functional = keras.Model(image, layers.Dense(3)(Own()(x)))
    functional.compile("adam", keras.losses.MeanSquaredError(), metrics=["accuracy"])
    mobile = keras.applications.MobileNetV3Small(
        weights=None, input_shape=(32, 32, 3), include_top=False, pooling="avg"
    )
    for model in (functional, mobile, kmeta.layers.Conv4(dtype="mixed_bfloat16")):
        config = keras.saving.serialize_keras_object(model)
        copy = restored(json.loads(json.dumps(config)))
        assert type(copy) is type(model)
        assert [w.shape for w in copy.weights] == [w.shape for w in model.weights]
    assert restored("memory") == "memory" and restored(None) is None
    check_config(tree.map_structure(lambda x: x, {"a": [1, ("b", None)]}))


def specimens_of_classes():
    """An object, or a function that makes one, of every class that kmeta has registered."""
    of_layers = kmeta.layers
    made = {f"{name} learner": specimen.make for name, specimen in SPECIMENS.items()}
    made |= {
        "Classifier": lambda: kmeta.PrototypicalNetwork(layers.Dense(3)).adapt(np.eye(2), [0, 1]),
        "Classifier of sequences": lambda: kmeta.MemoryAugmentedNetwork(
            layers.Dense(3), 3, layers.LSTMCell(4)
        ).adapt(np.eye(3), [0, 1, 2]),
        "Conv4": of_layers.Conv4,
        "KochConvNet": of_layers.KochConvNet,
        "RelationEmbedding": of_layers.RelationEmbedding,
        "RelationModule": of_layers.RelationModule,
        "MemoryCell": of_layers.MemoryCell,
        "SupportContext": of_layers.SupportContext,
        "QueryContext": of_layers.QueryContext,
        "AugmentedConvNet": of_layers.AugmentedConvNet,
        "LearnedOptimizer": of_layers.LearnedOptimizer,
        "TaskFastWeights": of_layers.TaskFastWeights,
        "ExampleFastWeights": of_layers.ExampleFastWeights,
        "BatchNormalization": of_layers.BatchNormalization,
        "EfficientNetLite0": of_layers.EfficientNetLite0,
        "ImageNetScaling": lambda: of_layers.ImageNetScaling("mobilenet_v2"),
        "RelationLoss": lambda: SPECIMENS["RelationNetwork"].make().default_loss(),
        "SiameseAccuracy": lambda: SPECIMENS["SiameseNetwork"].make().accuracy(),
        "LabelAccuracy": lambda: kmeta.MemoryAugmentedNetwork(
            layers.Dense(3), 5, layers.LSTMCell(4), labels="strings"
        ).accuracy(),
    }
    return made


MADE = specimens_of_classes()


def test_every_registered_class_has_a_specimen():
    learners.register_classes()
    registered = keras.saving.get_custom_objects().values()
    mine = {kind for kind in registered if kind.__module__.startswith("kmeta.")}
    assert len(mine) > 20
    assert mine == {type(make()) for make in MADE.values()}


@pytest.mark.parametrize("attempts", [5, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", MADE)
def test_changed_configurations(kind, attempts, tmp_path):
    """Whatever is changed in one: an object is made or there is a ValueError, and no code runs."""
    made, marker = MADE[kind](), tmp_path / "ran"
    if kind.endswith("learner"):
        made.build((SIZE, SIZE, 1))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    assert type(restored(config)) is type(made)
    rng, harmless, taken = random.Random(kind), list(attack_kinds.JUNK), 0
    for _ in range(attempts):
        attack_kinds.JUNK = (*harmless, bytecode(marker), dense(function("system", "os")), 10**9)
        other = attack_kinds.changed(config, rng)
        try:
            with bounded(2**22):
                restored(other)
            taken += 1
        except ValueError:
            pass
    attack_kinds.JUNK = tuple(harmless)
    assert taken < attempts
    assert not marker.exists()
