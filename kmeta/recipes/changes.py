"""Recipes changed by single options, such as those of the command line."""

from dataclasses import replace

from kmeta.recipes.learners import LEARNERS

NETWORK = ("filters", "downsampling", "features")
OTHER_NETWORKS = {"maps": ("filters",), "augmented": ("filters",)}
DATA_OPTIONS = ("size", "channels", "invert")
PLAIN = (
    *("rotations", "epochs", "learning_rate", "halve_every", "val_every", "seed", "head_stddev"),
    "intra_op_threads",
)
SEQUENCES = {"shot": 10, "query": 0, "tasks_per_step": 16}
TASKS = ("way", "shot", "query", "tasks_per_step", "steps")


def changed(recipe, options):
    """Return the recipe with `options` in place of its own.

    recipe: `Recipe`.
    options: `{name: value}`. Names: `learner`, `data`, the learner's own options, `filters`,
        `downsampling`, `features` of the network, `size`, `channels`, `invert` of pictures, the
        fields `rotations`, `epochs`, `learning_rate`, `halve_every`, `val_every`, `seed`,
        `head_stddev`, `intra_op_threads`, those of `Tasks` for training, `test_way`, `test_query`
        for validation and test, and `episodes` of the test. `way` and `shot` of validation and test
        follow those of training where they were equal. `seed` is also that of the training tasks. 0
        as `halve_every` or `val_every` means never.

    Raises ValueError where an option is unknown or not one of this learner.
    """
    options, new = dict(options), recipe
    for change in (_learner, _data, _parts, _validation, _tasks, _fields):
        new = change(new, options)  # takes its own out of `options`
    if options:
        raise ValueError(f"Unknown options: {', '.join(options)}")
    if new == recipe:
        return recipe
    name = recipe.name.removesuffix(" (changed)")
    return replace(new, name=name if name == "custom" else f"{name} (changed)", target=None)


def with_episodes(tasks, episodes):
    """Return `Tasks` with `episodes` in all, in steps as large as divide them and as before."""
    largest = min(tasks.tasks_per_step, episodes)
    size = next(size for size in range(largest, 0, -1) if episodes % size == 0)
    return replace(tasks, tasks_per_step=size, steps=episodes // size)


def _taken(options, names):
    """Remove the given ones of `names` from `options` and return them."""
    return {name: options.pop(name) for name in names if name in options}


def _learner(recipe, options):
    learner = options.pop("learner", recipe.learner)
    if learner not in LEARNERS:
        raise ValueError(f"Learners are {', '.join(LEARNERS)}. Received: {learner!r}")
    if learner != recipe.learner:
        both = {LEARNERS[learner].network, LEARNERS[recipe.learner].network}
        if both & set(OTHER_NETWORKS) or "layer" in recipe.network:
            recipe = replace(recipe, network={})
        recipe = replace(recipe, learner=learner, learner_options={}, pairs=None, distortions=False)
        if LEARNERS[learner].sequences:
            recipe = _for_sequences(recipe)
    kind = LEARNERS[learner]
    known = (*kind.options, "head_stddev") if kind.network == "classifier" else kind.options
    everyone = {"head_stddev"}.union(*(kind.options for kind in LEARNERS.values()))
    for name in sorted(everyone & set(options)):
        if name not in known:
            raise ValueError(f"{learner} has no option {name}; its own are {', '.join(known)}")
    return replace(
        recipe, learner_options={**recipe.learner_options, **_taken(options, kind.options)}
    )


def _for_sequences(recipe):
    parts = {name: getattr(recipe, name) for name in ("train", "val", "test")}
    return replace(
        recipe,
        **{name: tasks and replace(tasks, **SEQUENCES) for name, tasks in parts.items()},
    )


def _data(recipe, options):
    data = options.pop("data", recipe.data)
    if data == recipe.data:
        return recipe
    return replace(
        recipe,
        data=data,
        data_options={},
        train=replace(recipe.train, split="train"),
        val=None if recipe.val is None else replace(recipe.val, split="val"),
        test=replace(recipe.test, split="test"),
    )


def _parts(recipe, options):
    network = _taken(options, NETWORK)
    known = OTHER_NETWORKS.get(LEARNERS[recipe.learner].network, NETWORK)
    known = () if "layer" in recipe.network else known
    for name in network:
        if name not in known:
            raise ValueError(f"The network of {recipe.learner} has no option {name}")
    return replace(
        recipe,
        network={**recipe.network, **network},
        data_options={**recipe.data_options, **_taken(options, DATA_OPTIONS)},
    )


def _validation(recipe, options):
    if options.get("val_every") == 0:
        del options["val_every"]
        return replace(recipe, val=None)
    if "val_every" in options and recipe.val is None:
        raise ValueError(
            f"{recipe.name} has no validation, as it trains on all classes but those of the test. "
            f"Received: val_every={options['val_every']}"
        )
    return recipe


def _tasks(recipe, options):
    for name in ("query", "test_query"):
        if name in options and LEARNERS[recipe.learner].sequences:
            raise ValueError(
                f"{recipe.learner} reads sequences, without queries, and has no option {name}"
            )
    train = _taken(options, TASKS)
    for name in ("query", "tasks_per_step"):
        if name in train and recipe.pairs is not None:
            raise ValueError(f"{recipe.name} trains on pairs and has no option {name}")
    if "seed" in options:
        train["seed"] = options["seed"]
    held_out = {
        name: train[name]
        for name in ("way", "shot")
        if name in train and getattr(recipe.test, name) == getattr(recipe.train, name)
    }
    for name in ("way", "query"):
        if f"test_{name}" in options:
            held_out[name] = options.pop(f"test_{name}")
    test = replace(recipe.test, **held_out)
    if "episodes" in options:
        test = with_episodes(test, options.pop("episodes"))
    val = None if recipe.val is None else replace(recipe.val, **held_out)
    return replace(recipe, train=replace(recipe.train, **train), val=val, test=test)


def _fields(recipe, options):
    fields = _taken(options, PLAIN)
    if fields.get("halve_every") == 0:
        fields["halve_every"] = fields["halve_from"] = None
    return replace(recipe, **fields)
