"""`kmeta episodes`: look at a task as a learner meets it."""

from kmeta.cli.options import add_data_options, add_task_options
from kmeta.cli.parsing import given, seed
from kmeta.cli.pictures import check_writable
from kmeta.cli.quiet import import_keras
from kmeta.edge.numbers import count
from kmeta.placing import replaced
from kmeta.recipes.changes import DATA_OPTIONS
from kmeta.recipes.recipe import Tasks


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "episodes",
        help="draw a task as a picture",
        description="Draw one task of a data set as a PNG picture: a row for each class, its "
        "support on the left, its queries on the right.",
    )
    add_data_options(parser)
    parser.add_argument(
        "--split", default="train", metavar="NAME", help="part of the data (default: train)"
    )
    add_task_options(parser)
    parser.add_argument(
        "--query", type=count, default=5, metavar="N", help="query pictures of a class (default: 5)"
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="another seed, another task (default: 0)"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the .png file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    return parser


def run(arguments):
    """Run the command."""
    from kmeta.runs.data import check_room, load_split, make_episodes

    if not hasattr(arguments, "data"):
        raise ValueError("--data is needed: what to draw from")
    check_writable(arguments.out, arguments.overwrite, ".png")
    options = given(arguments, DATA_OPTIONS)
    dataset = load_split(arguments.data, arguments.split, arguments.data_dir, options)
    tasks = Tasks(
        arguments.split,
        tasks_per_step=1,
        steps=1,
        query=arguments.query,
        seed=arguments.seed,
        **given(arguments, ("way", "shot")),
    )
    rotations = getattr(arguments, "rotations", False)
    check_room(dataset, tasks, rotations)
    import_keras()
    with replaced(arguments.out, arguments.overwrite) as draft:
        draw(make_episodes(dataset, tasks, rotations), draft)
    print(f"{tasks.way}-way {tasks.shot}-shot task of {dataset.name}: {arguments.out}")


def draw(episodes, path):
    """Draw the first task of `kmeta.Episodes`."""
    from kmeta.plots import draw_episode

    episode, query_y = episodes[0]
    return draw_episode(episode, query_y, path, class_names=episodes.class_names_of(0)[0])
