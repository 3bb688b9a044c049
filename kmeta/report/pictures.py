"""The pictures that suit a learner, on tasks of its own test."""

from dataclasses import replace

import numpy as np
from keras import ops

from kmeta import plots
from kmeta.evaluation.confusion import confusion_over_episodes
from kmeta.layers import MemoryCell
from kmeta.learners.metric.matching import MatchingNetwork
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.plots.confusion import MOST
from kmeta.report.page import picture, section, tag
from kmeta.runs.data import make_episodes, sequence_labels

QUERIES = 8  # of a class, in the tasks drawn
TASKS = 50  # for confusion and reliability


def picture_sections(learner, recipe, dataset):
    """Return the sections of pictures of a learner, with tasks drawn from its test data."""
    labels = sequence_labels(recipe)
    if labels is not None:
        return [_sequence_section(learner, recipe, dataset, labels)]
    tasks = replace(
        recipe.test, query=min(QUERIES, recipe.test.query), tasks_per_step=1, steps=TASKS
    )
    episodes = make_episodes(dataset, tasks, recipe.turned(recipe.test))
    parts = [_task_section(learner, episodes)]
    if recipe.test.way <= MOST:
        parts.append(_confusion_section(learner, tasks, dataset))
    return [*parts, _reliability_section(learner, episodes)]


def _task_section(learner, episodes):
    episode, query_y = episodes[0]
    names = episodes.class_names_of(0)[0]
    answers = learner.predict_on_batch(episode).argmax(-1)
    right = int((answers == query_y).sum())
    text = f"The first task of the test: {right} of {query_y.size} queries are named right."
    grid = plots.draw_episode(episode, query_y, None, names, predictions=answers)
    parts = [picture(grid, "Support set and queries with the learner's answers", text)]
    if isinstance(learner, MetricLearner) and len(learner.feature_shape) == 1:
        plane = plots.draw_plane(learner, episode, query_y, None, names)
        caption = "The embedded task in the plane of its two principal components"
        parts.append(picture(plane, caption, caption))
    if isinstance(learner, MatchingNetwork):
        caption = "Attention over the support set, in %, of the first queries"
        parts.append(picture(plots.draw_attention(learner, episode, None, names), caption, caption))
    return section("A test task", tag("p", text), *parts)


def _confusion_section(learner, tasks, dataset):
    drawn = make_episodes(dataset, tasks, rotations=False)
    few = dataset.subset(drawn.class_names_of(0)[0])
    matrix, names = confusion_over_episodes(learner, make_episodes(few, tasks, rotations=False))
    mistakes = matrix * (1 - np.eye(len(matrix), dtype=int))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:5]
    items = [
        tag("li", f"{names[i]} taken for {names[j]}: {matrix[i, j]} of {matrix[i].sum()}")
        for i, j in zip(*np.unravel_index(order, matrix.shape), strict=True)
        if mistakes[i, j]
    ]
    caption = f"Answers over {TASKS} tasks of the same {len(names)} test classes"
    chart = picture(plots.draw_confusion(matrix, None, names), caption, caption)
    return section("Confusion", chart, *([tag("ul", *items)] if items else []))


def _reliability_section(learner, episodes):
    logits = np.concatenate([learner.predict_on_batch(episode)[0] for episode, _ in episodes])
    labels = np.concatenate([query_y[0] for _, query_y in episodes])
    probabilities = ops.convert_to_numpy(ops.softmax(logits, axis=-1))
    caption = f"Confidence and accuracy of {len(labels)} predictions in {TASKS} test tasks"
    chart = plots.draw_reliability(probabilities, labels)
    return section("Reliability", picture(chart, caption, caption))


def _sequence_section(learner, recipe, dataset, kind):
    episodes = make_episodes(
        dataset, replace(recipe.test, tasks_per_step=1), recipe.turned(recipe.test), kind
    )
    sequence, y = episodes[0]
    labels = episodes.sampler.draw(episodes.first_task(0)).support_labels
    answers = _classes(learner.predict_on_batch(sequence).argmax(-1), y, labels)
    names = episodes.class_names_of(0)[0]
    right = int((answers == labels).sum())
    text = f"The first sequence of the test: {right} of {labels.size} labels are right."
    grid = plots.draw_sequence(sequence, labels, None, names, predictions=answers)
    parts = [picture(grid, "The sequence by class, with the learner's answers", text)]
    if isinstance(learner.rnn.cell, MemoryCell):
        weights = {name: np.asarray(x) for name, x in learner.memory_weights(sequence).items()}
        caption = "What is written to and read from the memory, step by step"
        chart = plots.draw_memory(weights, labels, predictions=answers)
        parts.append(picture(chart, caption, caption))
    return section("A test sequence", tag("p", text), *parts)


def _classes(answers, y, labels):
    """Answers as class numbers; those that are strings of letters of no class as `way`."""
    if y.ndim == 2:
        return answers
    way = labels.max() + 1
    strings = np.stack([y[0, labels[0] == label][0] for label in range(way)])
    same = (answers[..., None, :] == strings).all(axis=-1)
    return np.where(same.any(axis=-1), same.argmax(axis=-1), way)
