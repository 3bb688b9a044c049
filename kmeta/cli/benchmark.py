"""`kmeta evaluate --benchmark`: fixed tasks that others have published scores on."""

import dataclasses
import json

from kmeta.cli.quiet import import_keras

BENCHMARKS = ("omniglot-one-shot",)
BASELINES = ("hausdorff",)
FIXED = ("split", "data", "size", "channels", "way", "shot", "query", "episodes", "seed")


def run(arguments):
    """Score the run, or the baseline, that the arguments of `kmeta evaluate` name."""
    for name in (*FIXED, "rotations"):
        if hasattr(arguments, name):
            raise ValueError(
                f"--benchmark {arguments.benchmark} has tasks of its own; leave out --{name}"
            )
    if len(getattr(arguments, "bn_mode", ())) > 1:
        raise ValueError("--benchmark takes one --bn-mode at a time")
    result = _baseline(arguments) if arguments.baseline else _learner(arguments)
    print(result)


def _baseline(arguments):
    if arguments.run is not None or hasattr(arguments, "bn_mode") or hasattr(arguments, "invert"):
        raise ValueError(f"--baseline {arguments.baseline} takes neither RUN nor its options")
    import_keras()
    from kmeta.evaluation.one_shot_runs import hausdorff_one_shot

    return hausdorff_one_shot(arguments.data_dir)


def _learner(arguments):
    from kmeta.runs.folder import Run

    if arguments.run is None:
        raise ValueError("RUN is needed: the folder of a finished run, or --baseline hausdorff")
    folder = Run(arguments.run)
    folder.check_finished()
    recipe = folder.recipe
    options = {"invert": recipe.data_options.get("invert", False)}
    if recipe.data == "omniglot":
        options["antialias"] = bool(recipe.data_options.get("antialias", False))  # or "mixed"
        if recipe.train.split != "background":
            print(
                f"Note: trained on {recipe.train.split}, not on background alone, so that the "
                "error cannot be compared with published ones"
            )
    if hasattr(arguments, "invert"):
        options["invert"] = arguments.invert
    import_keras()
    from kmeta.evaluation.one_shot_runs import omniglot_one_shot
    from kmeta.runs.loading import load
    from kmeta.runs.machines import versions

    learner = load(folder.path)
    if hasattr(arguments, "bn_mode"):
        learner = learner.with_options(bn_mode=arguments.bn_mode[0])
    data_dir = arguments.data_dir or folder.config["data_dir"]
    result = omniglot_one_shot(learner, data_dir, **options)
    record = {
        "benchmark": arguments.benchmark,
        "error": result.error,
        "interval": result.interval,
        **dataclasses.asdict(result),
        "versions": versions(),
    }
    with open(folder.evaluations_path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    return result
