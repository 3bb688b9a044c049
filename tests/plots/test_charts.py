"""Pictures of numbers: what is drawn is what was given, and files are whole."""

import io
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

from kmeta.plots import (
    draw_confusion,
    draw_instances,
    draw_memory,
    draw_reliability,
    draw_training,
)
from kmeta.plots.paper import short

LOG = {
    "epoch": [0, 1, 2],
    "accuracy": [0.2, 0.5, 0.7],
    "loss": [3.0, 2.0, 1.5],
    "val_accuracy": [None, 0.4, None],
    "val_loss": [None, None, None],
}
PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.55, 0.45]])


def opened(png):
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return image


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_names_in_letters_that_no_font_has_are_drawn_without_a_word(recwarn):
    found = opened(draw_confusion([[1, 0], [0, 1]], None, ["\U00013000", "日本"]))
    assert found.format == "PNG"
    assert not list(recwarn)


def test_training_curves(figures):
    assert opened(draw_training(LOG)).format == "PNG"
    loss, accuracy = figures[0].axes
    assert [axes.get_title(loc="left") for axes in (loss, accuracy)] == ["loss", "accuracy"]
    assert [line.get_label() for line in loss.lines] == ["training"], "a measure without numbers"
    training, validation = accuracy.lines
    np.testing.assert_array_equal(training.get_xydata(), [[1, 0.2], [2, 0.5], [3, 0.7]])
    np.testing.assert_array_equal(validation.get_xydata(), [[2, 0.4]])
    draw_training(LOG, best_epoch=2)
    marked = figures[1].axes[0].lines[-1]
    assert (marked.get_label(), marked.get_xdata()) == ("weights kept", [2, 2])
    for wrong in ({}, {"epoch": [0]}, {"epoch": [], "loss": []}):
        with pytest.raises(ValueError, match="`log` must have the column 'epoch', a measure"):
            draw_training(wrong)


def test_reliability(figures):
    assert opened(draw_reliability(PROBABILITIES, [0, 0, 0], bins=10)).format == "PNG"
    upper, lower = figures[0].axes
    heights = [bar.get_height() for bar in upper.patches]
    np.testing.assert_array_equal(np.isnan(heights), [True] * 5 + [False, True, True, False, True])
    assert [heights[5], heights[8]] == [0.5, 1.0]
    assert [bar.get_height() for bar in lower.patches] == [0, 0, 0, 0, 0, 2, 0, 0, 1, 0]
    assert upper.get_title(loc="left") == "ECE 8.3 %"  # 2/3 * (0.575 - 0.5) + 1/3 * 0.1
    draw_reliability(PROBABILITIES, [0, 0, 0])
    assert len(figures[1].axes[0].patches) == 15


def test_confusion(figures):
    matrix = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert opened(draw_confusion(matrix, class_names=["a", "b", "$c$"])).format == "PNG"
    (axes,) = figures[0].axes
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25, 0], [0, 1, 0], [0] * 3])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "$c$"]
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (0, 0): "3",
        (1, 0): "1",
        (1, 1): "4",
    }
    draw_confusion(np.eye(30, dtype=int))
    assert not figures[1].axes[0].texts
    for wrong in (np.zeros((2, 3)), np.zeros(3), np.zeros((61, 61))):
        with pytest.raises(ValueError, match=r"`matrix` must be \[classes, classes\]"):
            draw_confusion(wrong)
    with pytest.raises(ValueError, match="`class_names` must have 3 names.* Received: 2"):
        draw_confusion(matrix, class_names=["a", "b"])


def test_names_are_text_not_formulas_and_keep_their_end():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_confusion(np.eye(2, dtype=int), class_names=["$\\frac{$", "a$b"])
    assert short("x" * 30 + "-17", 10) == "…" + "x" * 6 + "-17"
    assert short("short", 10) == "short"


def test_instances(figures):
    draw_instances([(0.25, 0.02), (0.75, np.nan)], chance=0.2)
    (axes,) = figures[0].axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 25], [2, 75]])
    bars = axes.collections[0].get_segments()
    np.testing.assert_allclose(bars, [[[1, 23], [1, 27]], [[2, 75], [2, 75]]])
    assert axes.lines[-1].get_ydata() == [20.0, 20.0]
    draw_instances([(0.25, 0.02)])
    assert "chance" not in [line.get_label() for line in figures[1].axes[0].lines]
    with pytest.raises(ValueError, match=r"pairs of accuracy and interval. Received: shape \(2,\)"):
        draw_instances([0.1, 0.2])


def memory_weights():
    """Two sequences of four steps, two heads, six slots; the second writes to 5, 2, 5, 0."""
    write = np.zeros((2, 4, 2, 6))
    for step, slot in enumerate((5, 2, 5, 0)):
        write[1, step, 0, slot] = 0.5 + 0.1 * step
        write[1, step, 1, slot] = 0.2
    return {"write": write, "read": write[:, ::-1] / 2, "usage": write.sum(axis=2) * 3}


def test_memory(figures):
    weights, y = memory_weights(), np.array([[0] * 4, [0, 1, 0, 1]])
    assert opened(draw_memory(weights, y, task=1, slots=3)).format == "PNG"
    marks, *panels = figures[0].axes[:4]
    expected = weights["write"][1].sum(axis=1)[:, [2, 5, 0]].T  # by step of the most: 2, 3, 4
    np.testing.assert_array_equal(panels[0].images[0].get_array(), expected)
    read = weights["read"][1].sum(axis=1)[:, [2, 5, 0]].T
    np.testing.assert_array_equal(panels[1].images[0].get_array(), read)
    np.testing.assert_array_equal(
        panels[2].images[0].get_array(), weights["usage"][1][:, [2, 5, 0]].T
    )
    colours = marks.collections[0].get_facecolors()
    assert (colours[0] == colours[2]).all() and (colours[0] != colours[1]).any()
    assert not marks.lines
    draw_memory(weights, y, task=1, slots=2, predictions=np.array([[0] * 4, [0, 0, 0, 1]]))
    assert figures[1].axes[1].images[0].get_array().shape == (2, 4)
    assert figures[1].axes[0].lines[0].get_xdata().tolist() == [2]
    with pytest.raises(ValueError, match=r"`y` must have the shape \(2, 4\)"):
        draw_memory(weights, y[:, :3])
    with pytest.raises(ValueError, match=r"`predictions` must have the shape \(2, 4\)"):
        draw_memory(weights, y, predictions=y[:1])


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: draw_training(LOG, path),
        lambda path: draw_reliability(PROBABILITIES, [0, 0, 0], path),
        lambda path: draw_confusion(np.eye(3, dtype=int), path),
        lambda path: draw_instances([(0.5, 0.1)], path),
        lambda path: draw_memory(memory_weights(), np.zeros((2, 4), int), path),
    ],
)
def test_files_are_whole_or_absent(draw, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    assert draw(path) == path
    with Image.open(path) as image:
        assert image.format == "PNG" and min(image.size) > 200
    before = path.read_bytes()
    for name, error in (("a.jpg", ValueError), ("missing/a.png", FileNotFoundError)):
        with pytest.raises(error):
            draw(tmp_path / name)

    def fail(self, file, **_):
        file.write(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        draw(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_nothing_of_matplotlibs_own_state_is_used_or_changed():
    before = dict(matplotlib.rcParams)
    draw_instances([(0.5, 0.1)])
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []
