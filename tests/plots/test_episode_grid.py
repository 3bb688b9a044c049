import io

import numpy as np
import pytest
from PIL import Image

from kmeta.data import Episodes, SequenceEpisodes
from kmeta.data.dataset import Dataset
from kmeta.episode import Episode, Support
from kmeta.plots import draw_episode, draw_sequence
from kmeta.plots.paper import RIGHT, WRONG

SHADES = np.array([40, 90, 140, 190, 230], np.uint8)


@pytest.fixture
def flat():
    """Five classes of flat pictures, each of its own shade."""
    images = np.repeat(SHADES, 6)[:, None, None, None] * np.ones((1, 28, 28, 1), np.uint8)
    return Dataset(images, np.repeat(np.arange(5), 6), tuple("abcde"), "flat")


def tiles(path, shades):
    """For each shade the places (row, column) of the tiles that are filled with it."""
    pixels = np.asarray(Image.open(path))
    found = {}
    for shade in shades:
        match = (pixels == shade).all(axis=2)
        corner = match[1:, 1:] & ~match[:-1, 1:] & ~match[1:, :-1]
        size = 50
        corners = [(y + 1, x + 1) for y, x in np.argwhere(corner)]
        found[int(shade)] = [
            (y, x) for y, x in corners if match[y : y + size, x : x + size].sum() == size**2
        ]
    return found


def test_a_row_for_each_class_with_its_support_left_and_queries_right(flat, tmp_path):
    episodes = Episodes(flat, way=5, shot=2, query=3, tasks_per_step=2)
    episode, query_y = episodes[0]
    for task in (0, 1):
        path = draw_episode(episode, query_y, tmp_path / "a.png", task=task)
        found = tiles(path, SHADES)
        names = episodes.class_names_of(0)[task]
        rows = [found[int(SHADES["abcde".index(name)])] for name in names]
        tops = [{y for y, _ in row} for row in rows]
        assert all(len(top) == 1 for top in tops)
        assert sorted(max(top) for top in tops) == [max(top) for top in tops], "rows are in order"
        columns = {tuple(sorted(x for _, x in row)) for row in rows}
        assert len(columns) == 1
        (columns,) = columns
        steps = np.diff(columns)
        assert len(columns) == 5
        assert steps[1] > steps[0] == steps[2] == steps[3], "a wider gap between support and query"


def test_padding_is_not_drawn(flat, tmp_path):
    episodes = Episodes(flat, way=5, shot=(1, 3), query=2)
    episode, query_y = episodes[0]
    found = tiles(draw_episode(episode, query_y, tmp_path / "a.png"), SHADES)
    shots = episode.support.y[0].sum(axis=0).astype(int)
    names = episodes.class_names_of(0)[0]
    assert [len(found[int(SHADES["abcde".index(name)])]) - 2 for name in names] == shots.tolist()


def test_names_are_written(flat, tmp_path):
    episode, query_y = Episodes(flat, way=5, query=2)[0]
    numbers = draw_episode(episode, query_y, tmp_path / "a.png")
    names = draw_episode(episode, query_y, tmp_path / "b.png", ["long class name"] * 5)
    assert Image.open(names).width > Image.open(numbers).width + 50
    left = np.asarray(Image.open(names).convert("L"))[:, :100]
    assert (left < 100).sum() > 500, "dark letters at the left"


def framed(path, place):
    """The colour two pixels above a tile, as hexadecimal digits."""
    y, x = place
    return "#{:02x}{:02x}{:02x}".format(*np.asarray(Image.open(path))[y - 2, x + 20])


def red(path):
    """How many pixels are reddish, as the frames and names of wrong answers are."""
    pixels = np.asarray(Image.open(path)).astype(int)
    return (pixels[..., 0] - pixels[..., 1] > 60).sum()


def test_answers_are_framed_green_or_red(flat, tmp_path):
    episodes = Episodes(flat, way=5, query=2)
    episode, query_y = episodes[0]
    names = episodes.class_names_of(0)[0]
    answers = np.where(query_y == 2, 4, query_y)
    path = draw_episode(episode, query_y, tmp_path / "a.png", names, predictions=answers)
    for label, name in enumerate(names):
        support, *queries = sorted(
            tiles(path, SHADES)[int(SHADES["abcde".index(name)])], key=lambda place: place[1]
        )
        expected = WRONG if label == 2 else RIGHT
        assert [framed(path, place) for place in queries] == [expected] * 2
        assert framed(path, support) not in (RIGHT, WRONG)
    plain = draw_episode(episode, query_y, tmp_path / "b.png", names)
    all_right = draw_episode(episode, query_y, tmp_path / "c.png", names, predictions=query_y)
    assert red(plain) == red(all_right) == 0
    assert Image.open(path).height > Image.open(all_right).height, "room for the wrong names"


def test_the_wrong_name_is_written_below(flat, tmp_path):
    episode, query_y = Episodes(flat, way=5, query=1)[0]
    answers = np.where(query_y == 2, 4, query_y)
    names = [".", "-", "~", "'", "."]
    dot = draw_episode(episode, query_y, tmp_path / "a.png", names, predictions=answers)
    names[4] = "MMMMMMMMMMMMMMMMMMM"
    letters = draw_episode(episode, query_y, tmp_path / "b.png", names, predictions=answers)
    assert red(letters) > red(dot) + 50
    foreign = np.where(query_y == 2, 5, query_y)  # an answer that is none of the classes
    unknown = draw_episode(episode, query_y, tmp_path / "c.png", names, predictions=foreign)
    assert red(dot) < red(unknown) < red(letters)


def test_a_sequence_by_class_in_order_of_time(flat, tmp_path):
    episodes = SequenceEpisodes(flat, way=3, instances=4, tasks_per_step=2)
    sequence, y = episodes[0]
    names = episodes.class_names_of(0)[1]
    answers = y.copy()
    first = np.flatnonzero(y[1] == 0)[0]
    answers[1, first] = 1
    path = draw_sequence(sequence, y, tmp_path / "a.png", names, task=1, predictions=answers)
    found = tiles(path, SHADES)
    for label, name in enumerate(names):
        row = sorted(found[int(SHADES["abcde".index(name)])], key=lambda place: place[1])
        expected = [RIGHT] * 4
        if label == 0:
            expected[0] = WRONG
        assert [framed(path, place) for place in row] == expected
    with pytest.raises(ValueError, match=r"`predictions` must have the shape \(2, 12\)"):
        draw_sequence(sequence, y, path, predictions=answers[:, :3])


def test_without_a_path_the_png_is_returned(flat):
    episode, query_y = Episodes(flat, way=5, query=2)[0]
    assert Image.open(io.BytesIO(draw_episode(episode, query_y))).format == "PNG"


@pytest.mark.parametrize("shape", [(105, 105, 1), (32, 32, 3), (84, 84, 3), (40, 90, 3), (3, 3, 1)])
def test_other_shapes(shape, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    episode, query_y = Episodes(Dataset(images, np.arange(6) % 2, ("a", "b")), 2, 1, 2)[0]
    with Image.open(draw_episode(episode, query_y, tmp_path / "a.png")) as image:
        assert image.format == "PNG"
        assert image.width < 700
        assert 60 < image.height < 400


def test_the_file_is_written_whole_or_not_at_all(flat, tmp_path, monkeypatch):
    episode, query_y = Episodes(flat, way=5, query=2)[0]
    path = tmp_path / "a.png"
    path.write_bytes(b"before")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        draw_episode(episode, query_y, path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_refuses(flat, tmp_path):
    episode, query_y = Episodes(flat, way=5, query=2)[0]
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match=r"`path` must end in \.png. Received: .*a\.jpg"):
        draw_episode(episode, query_y, tmp_path / "a.jpg")
    with pytest.raises(FileNotFoundError, match="No such folder: .*missing"):
        draw_episode(episode, query_y, tmp_path / "missing" / "a.png")
    with pytest.raises(ValueError, match="`class_names` must have 5 names, .* Received: 3"):
        draw_episode(episode, query_y, path, ["a", "b", "c"])
    with pytest.raises(ValueError, match="`task` must be an integer from 0 to 0"):
        draw_episode(episode, query_y, path, task=1)
    with pytest.raises(ValueError, match=r"`query_y` must have the shape \(1, 10\).*\(1, 9\)"):
        draw_episode(episode, query_y[:, :9], path)
    with pytest.raises(ValueError, match=r"`episode.query_x` must lie in \[0, 1\]. .* to 2"):
        draw_episode(Episode(episode.support, episode.query_x * 0 + 2), query_y, path)
    flat_support = Support(np.zeros((1, 5, 7)), episode.support.y)
    with pytest.raises(ValueError, match=r"`episode.support.x` must be images.*\(1, 5, 7\)"):
        draw_episode(Episode(flat_support, episode.query_x), query_y, path)
    assert not path.exists()
