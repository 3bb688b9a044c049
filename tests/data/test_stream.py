import numpy as np
import pytest

from kmeta.data.sinusoid import SinusoidEpisodes
from kmeta.data.stream import EpisodeStream


class Numbers(EpisodeStream):
    """Yields the numbers of its tasks."""

    def draw_tasks(self, first):
        return np.arange(first, first + self.tasks_per_step)


def test_epochs_go_on_where_the_last_ended():
    stream = Numbers(tasks_per_step=2, steps=3)
    assert [item.tolist() for item in stream] == [[0, 1], [2, 3], [4, 5]]
    stream.on_epoch_begin()
    stream.on_epoch_end()
    assert [item.tolist() for item in stream] == [[6, 7], [8, 9], [10, 11]]
    stream.epoch = 4
    assert stream[-1].tolist() == [28, 29]


def test_the_call_of_keras_before_the_first_epoch_does_not_count():
    stream = Numbers()
    for epoch in range(1, 3):
        stream.on_epoch_end()  # so begins Keras
        stream.on_epoch_begin()
        stream.on_epoch_end()
        assert stream.epoch == epoch


def test_a_bare_stream_draws_nothing():
    with pytest.raises(NotImplementedError):
        EpisodeStream()[0]


def test_streams_share_their_checks():
    for kind in (Numbers, SinusoidEpisodes):
        with pytest.raises(ValueError, match="`steps` must be a positive integer.*steps=-1"):
            kind(steps=-1)
        with pytest.raises(ValueError, match="`seed` must be an integer"):
            kind(seed=1.0)
