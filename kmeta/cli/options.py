"""Options that several commands share, and the table of the learners' own options."""

from kmeta.cli.parsing import GIVEN_ONLY, add_switch
from kmeta.edge.numbers import count, positive
from kmeta.recipes.learners import LEARNERS

LEARNER_OPTIONS = {
    "bn_mode": {
        "choices": ("running", "support", "support+1", "batch"),
        "help": "statistics of batch normalisation outside training: moving averages, those of "
        "the support set, those of the support set and one query (learners by gradient), or those "
        "of the batch (transductive)",
    },
    "distance": {
        "choices": ("squared_euclidean", "l1", "l2", "cosine"),
        "help": "between a query and a prototype (squared_euclidean, cosine), or between the two "
        "images of a pair (l1, l2, cosine)",
    },
    "class_score": {
        "choices": ("max", "mean"),
        "help": "of a class with several shots: that of its likeliest support picture, or the mean",
    },
    "lam": {
        "type": positive,
        "metavar": "X",
        "help": "how much the ridge regression is held back, relative to the features' variance",
    },
    "doubt": {
        "type": positive,
        "metavar": "X",
        "help": "how much it counts, when pictures of no class are refused, that little is known "
        "of pictures like them",
    },
    "scale": {"type": positive, "metavar": "X", "help": "factor of distances or cosines"},
    "full_context": {
        "switch": True,
        "help": "embed support and queries in the context of the support set",
    },
    "read_steps": {
        "type": count,
        "metavar": "N",
        "help": "reads of the support set for a query, with --full-context",
    },
    "cell": {
        "choices": ("memory", "lstm"),
        "help": "with an external memory, or an LSTM without (the paper's baseline)",
    },
    "standardize": {
        "switch": True,
        "help": "features of the network are moved and scaled to mean 0 and variance 1",
    },
    "labels": {
        "choices": ("one_hot", "strings"),
        "help": "how sequences show labels: one-hot, or as strings of five letters",
    },
    "inner_steps": {
        "type": count,
        "metavar": "N",
        "help": "gradient steps on the support set in training",
    },
    "inner_lr": {"type": positive, "metavar": "X", "help": "learning rate of these steps"},
    "test_inner_steps": {
        "type": count,
        "metavar": "N",
        "help": "such steps outside training (default: as in training)",
    },
    "first_order": {
        "switch": True,
        "help": "without second derivatives",
    },
    "remat": {
        "switch": True,
        "help": "compute inner steps twice, so that memory does not grow with them (the default)",
    },
    "inner_batch": {
        "type": count,
        "metavar": "N",
        "help": "support pictures of an inner step in training",
    },
    "test_inner_batch": {
        "type": count,
        "metavar": "N",
        "help": "such pictures outside training",
    },
    "inner_optimizer": {"choices": ("adam", "sgd"), "help": "of the inner steps"},
    "units": {"type": count, "metavar": "N", "help": "of the LSTM that makes updates or weights"},
}


def add_learner_options(group, names=tuple(LEARNER_OPTIONS), **more):
    """Add the options of learners; each is absent unless given. `more` goes to argparse."""
    for name in names:
        details = dict(LEARNER_OPTIONS[name])
        owners = [learner for learner, kind in LEARNERS.items() if name in kind.options]
        if len(owners) < len(LEARNERS):
            details["help"] = f"{', '.join(owners)}: {details['help']}"
        if more.get("nargs") == "+":
            details["help"] = f"one or more of {', '.join(details['choices'])}: {details['help']}"
        flag = "--" + name.replace("_", "-")
        if details.pop("switch", False):
            add_switch(group, flag, **details)
        else:
            group.add_argument(flag, default=GIVEN_ONLY, **details, **more)


def add_data_options(group):
    """Add the options that say which pictures are meant."""
    group.add_argument(
        "--data",
        default=GIVEN_ONLY,
        metavar="NAME|FOLDER",
        help="omniglot, glyphs, cifar-fs, tfds:NAME, or a folder (or .zip) of pictures with one "
        "sub-folder a class. A folder may have train, val and test as sub-folders of such; "
        "otherwise its classes are divided among the three",
    )
    group.add_argument(
        "--data-dir",
        metavar="DIR",
        help="where the files of a named set are (default: the folder named by KMETA_DATA)",
    )
    group.add_argument(
        "--size", type=count, default=GIVEN_ONLY, metavar="PIXELS", help="side of the pictures"
    )
    group.add_argument(
        "--channels",
        type=int,
        choices=(1, 3),
        default=GIVEN_ONLY,
        help="1 for grey, 3 for colour; only for folders and tfds:NAME",
    )
    add_switch(
        group,
        "--invert",
        help="swap dark and light; only for folders and Omniglot. Omniglot and glyphs come with "
        "light strokes on dark, scanned paper is the other way round",
    )


def add_task_options(group):
    """Add way, shot and rotations."""
    group.add_argument(
        "--way", type=count, default=GIVEN_ONLY, metavar="N", help="classes in a task"
    )
    group.add_argument(
        "--shot", type=count, default=GIVEN_ONLY, metavar="N", help="support pictures of a class"
    )
    add_switch(group, "--rotations", help="classes turned by 90, 180, 270 degrees are new classes")
