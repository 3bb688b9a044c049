import io

import numpy as np
import pytest
from PIL import Image

from kmeta.data import SinusoidEpisodes
from kmeta.episode import Episode, Support
from kmeta.plots import draw_curves
from kmeta.plots.paper import COLOURS


def line(slope, n=50):
    x = np.random.default_rng(0).permutation(np.linspace(-1, 1, n))[None, :, None]
    return Episode(Support(np.array([[[0.5]]]), np.array([[[-0.5]]])), x), slope * x


def test_truth_predictions_and_support_lie_where_they_should(tmp_path, figures):
    episode, falling = line(-1.0)
    draw_curves(episode, falling, {"up": -falling}, tmp_path / "a.png", tasks=1)
    drawn = {curve.get_label(): curve.get_xydata() for curve in figures[0].axes[0].lines}
    assert list(drawn) == ["truth", "up", "support"]
    x = np.linspace(-1, 1, 50)
    np.testing.assert_allclose(drawn["truth"], np.stack([x, -x], axis=1), atol=1e-12)
    np.testing.assert_allclose(drawn["up"], np.stack([x, x], axis=1), atol=1e-12)
    assert drawn["support"].tolist() == [[0.5, -0.5]]


def test_a_panel_for_each_task(tmp_path, figures):
    episode, y = SinusoidEpisodes(tasks_per_step=4)[0]
    for tasks in (1, 3):
        path = draw_curves(episode, y, {}, tmp_path / "a.png", tasks=tasks)
        assert len(figures[-1].axes) == tasks
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.width == pytest.approx(110 * (3.0 * tasks + 0.3), abs=1)
    for task, axes in enumerate(figures[-1].axes):
        truth, _ = axes.lines
        assert sorted(truth.get_ydata()) == sorted(y[task, :, 0])


def test_without_a_path_the_png_is_returned():
    episode, y = line(1.0)
    png = draw_curves(episode, y, {}, tasks=1)
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_what_cannot_be_drawn_is_refused(tmp_path):
    episode, y = line(1.0)
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="'now' must have the shape of the queries.*\\(1, 3\\)"):
        draw_curves(episode, y, {"now": np.zeros((1, 3))}, path, tasks=1)
    with pytest.raises(
        ValueError, match="must be \\[tasks, queries, 1\\]. Received: shape \\(1, 50"
    ):
        draw_curves(episode._replace(query_x=y[..., 0]), y, {}, path, tasks=1)
    many = len(COLOURS) + 1
    with pytest.raises(ValueError, match=f"at most {many - 1} curves. Received: {many}"):
        draw_curves(episode, y, dict.fromkeys(range(many), y), path, tasks=1)
    with pytest.raises(ValueError, match="`tasks` must be an integer from 1 to 1"):
        draw_curves(episode, y, {}, path)
    with pytest.raises(ValueError, match="must end in .png"):
        draw_curves(episode, y, {}, tmp_path / "a.jpg", tasks=1)
    assert not list(tmp_path.iterdir())
