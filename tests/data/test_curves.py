import numpy as np
import pytest
from PIL import Image, ImageColor

from kmeta.data import SinusoidEpisodes, draw_curves
from kmeta.data.curves import COLOURS, HEAD, PANEL
from kmeta.data.picture import FAINT, INK
from kmeta.episode import Episode, Support


def places(path, colour):
    """Rows and columns of the pixels of a colour, inside the first panel."""
    pixels = np.asarray(Image.open(path))[HEAD + 1 : HEAD + PANEL[1], 15 : 14 + PANEL[0]]
    return np.argwhere((pixels == ImageColor.getrgb(colour)).all(axis=2))


def line(slope, n=50):
    x = np.random.default_rng(0).permutation(np.linspace(-1, 1, n))[None, :, None]
    return Episode(Support(np.array([[[0.5]]]), np.array([[[-0.5]]])), x), slope * x


def test_truth_and_predictions_lie_where_they_should(tmp_path):
    episode, falling = line(-1.0)
    path = draw_curves(episode, falling, {"up": -falling}, tmp_path / "a.png", tasks=1)
    for colour, sign in ((FAINT, 1), (COLOURS[0], -1)):  # rows count from the top
        rows, columns = places(path, colour).T
        assert len(rows) > 100
        assert np.corrcoef(rows, columns)[0, 1] * sign > 0.99
    rows, columns = places(path, INK).T  # the point of the support, at 3/4 of both
    assert abs(rows.mean() - 0.75 * PANEL[1]) < 6 and abs(columns.mean() - 0.75 * PANEL[0]) < 6


def test_a_panel_for_each_task(tmp_path):
    episode, y = SinusoidEpisodes(tasks_per_step=4)[0]
    for tasks in (1, 3):
        path = draw_curves(episode, y, {}, tmp_path / "a.png", tasks=tasks)
        assert Image.open(path).width == tasks * (PANEL[0] + 14) + 14


def test_what_cannot_be_drawn_is_refused(tmp_path):
    episode, y = line(1.0)
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="'now' must have the shape of the queries.*\\(1, 3\\)"):
        draw_curves(episode, y, {"now": np.zeros((1, 3))}, path, tasks=1)
    with pytest.raises(
        ValueError, match="must be \\[tasks, queries, 1\\]. Received: shape \\(1, 50"
    ):
        draw_curves(episode._replace(query_x=y[..., 0]), y, {}, path, tasks=1)
    with pytest.raises(ValueError, match="at most 4 curves. Received: 5"):
        draw_curves(episode, y, dict.fromkeys(range(5), y), path, tasks=1)
    with pytest.raises(ValueError, match="`tasks` must be an integer of at least 1 and at most 1"):
        draw_curves(episode, y, {}, path)
    with pytest.raises(ValueError, match="must end in .png"):
        draw_curves(episode, y, {}, tmp_path / "a.jpg", tasks=1)
    assert not list(tmp_path.iterdir())
