import numpy as np
import pytest

import kmeta
from kmeta.data import SinusoidEpisodes


def test_targets_are_the_waves():
    episodes = SinusoidEpisodes(shot=4, query=7, tasks_per_step=3)
    (support, query_x), query_y = episodes[2]
    waves = episodes.waves(2)
    assert isinstance(support, kmeta.Support)
    assert (support.x.shape, support.y.shape) == ((3, 4, 1), (3, 4, 1))
    assert (query_x.shape, query_y.shape, query_y.dtype) == ((3, 7, 1), (3, 7, 1), np.float32)
    for x, y in ((support.x, support.y), (query_x, query_y)):
        for task, (amplitude, phase) in enumerate(waves):
            expected = amplitude * np.sin(x[task].astype(np.float64) - phase)
            np.testing.assert_allclose(y[task], expected, atol=5e-6)


def test_ranges_are_those_of_the_paper():
    episodes = SinusoidEpisodes(tasks_per_step=20000, steps=1)
    amplitude, phase = episodes.waves(0).T
    (support, query_x), _ = episodes[0]
    x = np.concatenate([support.x, query_x], axis=1)
    for values, low, high in ((amplitude, 0.1, 5), (phase, 0, np.pi), (x, -5, 5)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.01 * (high - low))
        assert values.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.02)


def test_support_and_queries_differ_and_epochs_are_fresh():
    episodes = SinusoidEpisodes(steps=2)
    (support, query_x), _ = episodes[0]
    assert not np.intersect1d(support.x, query_x).size
    first = list(episodes)
    episodes.epoch = 1
    assert not any(np.array_equal(a[1], b[1]) for a in first for b in episodes)
    episodes.epoch = 0
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, episodes, strict=True))
    assert not np.array_equal(SinusoidEpisodes(seed=1)[0][1], first[0][1])


def test_as_dataset():
    episodes = SinusoidEpisodes(shot=3, query=5, tasks_per_step=2, steps=2)
    items = list(episodes.as_dataset().as_numpy_iterator())
    assert len(items) == 2
    np.testing.assert_array_equal(items[1][0].support.y, episodes[1][0].support.y)


@pytest.mark.parametrize("name", ["shot", "query", "tasks_per_step"])
def test_refuses(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer.*{name}=0"):
        SinusoidEpisodes(**{name: 0})
