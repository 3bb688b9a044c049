import numpy as np
import pytest
import tensorflow as tf

import kmeta
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


def test_a_data_set_counts_epochs():
    stream = Numbers(tasks_per_step=2, steps=3)
    stream.epoch = 1
    data = stream.as_dataset(epochs=2)
    numbers = [item.tolist() for item in data.as_numpy_iterator()]
    assert numbers == [[6, 7], [8, 9], [10, 11], [12, 13], [14, 15], [16, 17]]
    assert (data.cardinality(), stream.epoch) == (6, 1)
    endless = stream.as_dataset(None)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    *_, last = endless.take(7).as_numpy_iterator()
    assert last.tolist() == [18, 19]


def test_shards_are_the_whole_together():
    stream = Numbers(tasks_per_step=6, steps=2)
    stream.epoch = 1
    halves = [stream.shard(2, index) for index in range(2)]
    shards = [half.shard(3, index) for half in halves for index in range(3)]
    assert [shard[1].tolist() for shard in shards] == [[18], [19], [20], [21], [22], [23]]
    datasets = [list(shard.as_dataset(2).as_numpy_iterator()) for shard in halves]
    whole = list(stream.as_dataset(2).as_numpy_iterator())
    assert [np.concatenate(items).tolist() for items in zip(*datasets, strict=True)] == [
        item.tolist() for item in whole
    ]
    halves[0].epoch = 7
    assert (stream.epoch, stream.tasks_per_step, halves[1].epoch) == (1, 6, 1)


def test_shards_of_pairs_and_tasks_are_those_of_the_whole():
    dataset = kmeta.data.load("glyphs", "val")
    for stream in (
        kmeta.data.VerificationPairs(dataset, batch_size=4, steps=1, distortions=True),
        kmeta.Episodes(dataset, query=1, tasks_per_step=2, steps=1, distortions=True),
        kmeta.data.SequenceEpisodes(dataset, instances=2, tasks_per_step=2, steps=1),
    ):
        for index, whole in enumerate(tf.nest.flatten(stream[0])):
            shards = [tf.nest.flatten(stream.shard(2, i)[0])[index] for i in range(2)]
            np.testing.assert_array_equal(np.concatenate(shards), whole)


def test_shards_of_episodes_know_their_names_and_have_a_manifest_of_their_own():
    dataset = kmeta.data.load("glyphs", "val")
    episodes = kmeta.Episodes(dataset, query=1, tasks_per_step=2, steps=2)
    shards = [episodes.shard(2, index) for index in range(2)]
    names = [shard.class_names_of(1) for shard in shards]
    assert names[0] + names[1] == episodes.class_names_of(1)
    hashes = {stream.manifest()["episodes_sha256"] for stream in (episodes, *shards)}
    assert len(hashes) == 3


def test_what_a_data_set_cannot_be():
    with pytest.raises(ValueError, match="`epochs` must be a positive integer"):
        Numbers().as_dataset(0)
    for shard, message in (
        ((3, 0), "`num_shards` must divide the tasks of a step, 4. Received: num_shards=3"),
        ((0, 0), "`num_shards` must be a positive integer"),
        ((2, 2), "`index` must be an integer from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            Numbers(tasks_per_step=4).shard(*shard)
