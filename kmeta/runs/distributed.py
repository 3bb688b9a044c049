"""One training by several devices or processes, which ends with the weights of one process.

Every replica has a copy of the learner and draws its own tasks of each step, by their numbers;
gradients are added. (`keras.Model.fit` fails in several processes.)
"""

import contextlib
import json
import zlib

import keras
import tensorflow as tf

from kmeta.learners.optimization.gradient_learner import GradientLearner
from kmeta.ops.differentiation.tensorflow.moments import exact_moments
from kmeta.runs.building import make_learner, ready
from kmeta.runs.cluster import check, is_chief
from kmeta.runs.data import make_training_data
from kmeta.runs.joining import joined, losses_told


class Replicas:
    """The replicas of a strategy of `tf.distribute`; to be made before anything is computed.

    distribute: "mirrored" for the devices of this machine, "multi-worker" for the processes that
        TF_CONFIG names.
    recipe: what they train.
    data: `{split: Dataset}`.

    Attribute `chief`: whether this process writes files; the others have all from it.

    Raises ValueError where the recipe cannot be trained so, WorkerLostError where the other
    processes cannot be reached (they may take an hour to come), OSError where the own port is used.
    """

    def __init__(self, distribute, recipe, data):
        self.chief, self.recipe = is_chief(distribute), recipe
        hashes = {split: dataset.sha256 for split, dataset in data.items()}
        self.fingerprint = zlib.crc32(json.dumps([recipe.to_dict(), hashes]).encode())
        self.strategy = joined(distribute)
        check(recipe, self.strategy.num_replicas_in_sync)

    def help(self, learner, dataset):
        """What a process does that is not the chief: train, and wait until the chief has ended."""
        ready(learner, self.recipe, dataset.images.shape[1:])
        train_on = make_training_data(dataset, self.recipe)
        self.fit(learner, train_on, epochs=self.recipe.epochs)
        self.wait()

    def fit(
        self,
        learner,
        train_on,
        validation_data=None,
        validation_freq=1,
        initial_epoch=0,
        epochs=1,
        verbose=0,
        callbacks=(),
    ):
        """As `learner.fit` of a learner that is `ready`.

        The chief's learner, validation, callbacks and `initial_epoch` count and no other's. After
        each epoch its learner has the weights, the statistics and the optimizer of the replicas.
        """
        with losses_told():
            with self.strategy.scope():
                replica = ready(make_learner(self.recipe), self.recipe, learner.image_shape)
            ours, theirs = (
                [*model.variables, *model.optimizer.variables] for model in (learner, replica)
            )
            begin = self._begin(theirs, ours, initial_epoch)
            step, items = self._step(replica), self._items(train_on, begin)
            callbacks = keras.callbacks.CallbackList(
                list(callbacks) if self.chief else [],
                add_progbar=self.chief and verbose,
                model=learner,
                epochs=epochs,
                steps=train_on.steps,
                verbose=verbose,
            )
            learner.stop_training = False
            callbacks.on_train_begin()
            for epoch in range(begin, epochs):
                callbacks.on_epoch_begin(epoch)
                replica.reset_metrics()
                for index in range(train_on.steps):
                    callbacks.on_train_batch_begin(index)
                    step(next(items))
                    callbacks.on_train_batch_end(index)
                logs = {name: float(value) for name, value in replica.get_metrics_result().items()}
                self._average(replica.non_trainable_variables)
                if not self.chief:
                    continue
                _assign(ours, [self._local(variable.value) for variable in theirs])
                if validation_data is not None and (epoch + 1) % validation_freq == 0:
                    found = learner.evaluate(validation_data, verbose=0, return_dict=True)
                    logs.update({f"val_{name}": value for name, value in found.items()})
                callbacks.on_epoch_end(epoch, logs)
            callbacks.on_train_end()

    def wait(self):
        """Return when every process has called it."""
        with losses_told():
            self._everywhere(lambda context: [context.all_reduce("sum", tf.zeros(()))])

    def _begin(self, theirs, ours, epoch):
        """Give the replicas' variables the values of the chief's; return the chief's epoch."""
        state = [tf.constant(number, tf.int64) for number in (self.fingerprint, epoch)]
        state += [tf.constant(variable.numpy()) for variable in ours]

        def from_chief(context):
            chief = tf.equal(context.replica_id_in_sync_group, 0)
            mine = [tf.where(chief, value, tf.zeros_like(value)) for value in state]
            return [context.all_reduce("sum", value) for value in mine]

        fingerprint, epoch, *values = self._everywhere(from_chief)
        if fingerprint != self.fingerprint:
            raise ValueError("This process has other data or another recipe than the chief has")
        _assign(theirs, values)
        return int(epoch)

    def _items(self, train_on, epoch):
        """An iterator over steps, of which each replica gets its own tasks."""
        train_on.epoch = epoch

        def of_process(context):
            replicas = context.num_replicas_in_sync
            here = replicas // context.num_input_pipelines
            first = here * context.input_pipeline_id
            parts = [train_on.shard(replicas, first + i).as_dataset(None) for i in range(here)]
            turns = tf.data.Dataset.range(here).repeat()
            return tf.data.Dataset.choose_from_datasets(parts, turns) if here > 1 else parts[0]

        return iter(self.strategy.distribute_datasets_from_function(of_process))

    def _step(self, replica):
        """A function of one step's item; batch normalisation is by the images of all replicas."""
        by_task = isinstance(replica, GradientLearner)  # whose statistics are of one task
        if not by_task and replica.bn_mode == "batch":
            replica.bn_mode = "running"  # the same in training, where replicas must not lock layers
        if self.recipe.clip_norm is not None:
            clip_together(replica.optimizer, self.strategy.num_replicas_in_sync)
        alone = by_task or self.strategy.num_replicas_in_sync == 1

        def one(item):
            with contextlib.nullcontext() if alone else exact_moments(of_replicas=True):
                replica.train_step(item)

        return tf.function(lambda item: self.strategy.run(one, args=(item,)))

    def _average(self, variables):
        """Give floating variables that replicas moved apart, as moving averages, their mean."""
        floats = [v for v in variables if v.dtype.startswith("float")]
        means = self._everywhere(
            lambda context: [context.all_reduce("mean", tf.identity(v)) for v in floats]
        )
        _assign(floats, means)

    def _everywhere(self, function):
        """What `function(context)`, called in every replica, returns in this process: arrays."""

        @tf.function
        def run():
            return self.strategy.run(lambda: function(tf.distribute.get_replica_context()))

        return [self._local(value) for value in run()]

    def _local(self, value):
        return self.strategy.experimental_local_results(value)[0].numpy()


def clip_together(optimizer, replicas):
    """Let an optimizer clip the sum of the replicas' gradients, in place of each one's own.

    `clip(sum, c) = replicas * clip(mean, c / replicas)`; that every replica has the same mean.
    """
    apply = optimizer.apply
    optimizer.global_clipnorm /= replicas

    def apply_mean(gradients, variables=None):
        context = tf.distribute.get_replica_context()
        means = [g if g is None else context.all_reduce("mean", g) for g in gradients]
        return apply(means, variables)

    optimizer.apply = apply_mean


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
