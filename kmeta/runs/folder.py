"""The folder of a run: what is in it, and when it may be written to."""

import contextlib
import csv
import json
import os
from pathlib import Path
from typing import Any

from kmeta.checks import is_finite, whole_number
from kmeta.placing import replaced
from kmeta.recipes.checking import mapping, text
from kmeta.recipes.recipe import Recipe, differences

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

MOST_BYTES = 64 * 2**20  # of a JSON file


class Run:
    """The folder of one training run.

    - `config.json`: the recipe, the place and hashes of the data, versions of the libraries;
    - `log.csv`: one line an epoch; `tensorboard/`: the same for TensorBoard;
    - `checkpoint.npz`: all that continues the run;
    - `learner.keras` and `result.json`: there when the run has finished;
    - `evaluations.jsonl`: later evaluations, one a line; `report.html`: what `kmeta report` wrote.

    path: of the folder, which need not exist.

    >>> run = Run("runs/mine")
    >>> run.exists, run.finished, run.log
    (False, False, {})
    >>> run.learner_path
    PosixPath('runs/mine/learner.keras')
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config_path = self.path / "config.json"
        self.log_path = self.path / "log.csv"
        self.checkpoint_path = self.path / "checkpoint.npz"
        self.learner_path = self.path / "learner.keras"
        self.result_path = self.path / "result.json"
        self.evaluations_path = self.path / "evaluations.jsonl"
        self.report_path = self.path / "report.html"
        self.tensorboard_path = self.path / "tensorboard"

    @property
    def exists(self) -> bool:
        """Whether a run has been started here."""
        return self.config_path.is_file()

    @property
    def config(self) -> dict[str, Any]:
        """What `config.json` holds. Raises FileNotFoundError where there is no run, and
        ValueError where the file is damaged or is none of a run."""
        if not self.exists:
            raise FileNotFoundError(f"There is no run in {self.path} (no {self.config_path.name})")
        config = read_json(self.config_path)
        try:
            mapping("config", config)
            mapping("recipe", config.get("recipe"))
            if config.setdefault("data_dir", None) is not None:
                text("data_dir", config["data_dir"])
            machines = config.setdefault("machines", [])
            if not isinstance(machines, list):
                raise ValueError(f"Argument `machines` must be a list. Received: {machines!r}")
            texts = [("data_sha256", config.setdefault("data_sha256", {}))]
            texts += [("machines", one) for one in machines]
            for name, values in texts:
                for value in mapping(name, values).values():
                    text(name, value)
            shape = config.get("image_shape")
            if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
                raise ValueError(f"Argument `image_shape` must be sizes. Received: {shape!r}")
        except ValueError as error:
            raise ValueError(f"{self._no_config}: {error}") from error
        return config

    @property
    def recipe(self) -> Recipe:
        """The recipe that is being trained."""
        config = self.config
        try:
            return Recipe.from_dict(config["recipe"])
        except ValueError as error:
            raise ValueError(f"{self._no_config}: {error}") from error

    @property
    def _no_config(self):
        return f"{self.config_path} is not the configuration of a run"

    @property
    def log(self) -> dict[str, list[Any]]:
        """What `log.csv` holds: `{column: [epochs]}`, None where an epoch has no such number.

        Empty where no epoch has ended. Raises ValueError where the file is damaged.
        """
        if not self.log_path.exists():
            return {}
        try:
            with open(self.log_path, newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if None not in (*row, *row.values())]
            names = list(rows[0]) if rows else []
            log = {name: [_number(row[name]) for row in rows] for name in names}
            return {**log, "epoch": list(map(int, log["epoch"]))} if rows else {}
        except (ValueError, TypeError, KeyError, OverflowError, csv.Error) as error:
            raise ValueError(f"Cannot read {self.log_path}: {error!r}") from error

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """The lines of `evaluations.jsonl`, a list of dictionaries."""
        if not self.evaluations_path.exists():
            return []
        try:
            lines = self.evaluations_path.read_text(encoding="utf-8").splitlines()
            return [mapping("line", json.loads(line)) for line in lines]
        except (ValueError, RecursionError) as error:
            raise ValueError(f"Cannot read {self.evaluations_path}: {error}") from error

    @property
    def result(self) -> dict[str, Any]:
        """What `result.json` holds; raises ValueError where it is no result of a training."""
        return checked_result(read_json(self.result_path), self.result_path)

    @property
    def finished(self) -> bool:
        """Whether the run has ended with a learner and a result."""
        return self.learner_path.is_file() and self.result_path.is_file()

    def check_new(self) -> None:
        """Raise FileExistsError unless a new run may be started here."""
        if self.exists:
            raise FileExistsError(
                f"There is a run in {self.path} already. Continue it with --resume, or choose "
                "another folder"
            )
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise FileExistsError(f"{self.path} exists and is not an empty folder")

    def check_finished(self) -> None:
        """Raise FileNotFoundError where there is no run, ValueError where it has not finished."""
        if not self.learner_path.is_file():
            self.config  # noqa: B018  raises where there is none
            raise ValueError(
                f"The run in {self.path} has not finished. Continue it with: "
                f"kmeta train --resume --run {self.path}"
            )

    def check_resumes(self, recipe: Recipe) -> None:
        """Raise ValueError, naming what differs, unless the run here is one of this recipe."""
        different = [
            f"{name} is {old!r} in the run and {new!r} now"
            for name, old, new in differences(self.recipe, recipe)
            if name not in ("name", "target", "source")
        ]
        if different:
            raise ValueError(f"Cannot resume {self.path}: {'; '.join(different)}")


def _number(text):
    """The number in a cell of the log; a learner without a measure leaves "NA" or nothing."""
    return None if text in ("", "NA") else float(text)


def check_loadable(path):
    """Raise unless `path` is the folder of a finished run, or a .keras file."""
    path = Path(path)
    if path.is_dir():
        Run(path).check_finished()
    elif not path.is_file():
        raise FileNotFoundError(f"No such file or folder: {path}")
    elif path.suffix != ".keras":
        raise ValueError(f"Expected the folder of a run, or a .keras file. Received: {path}")


def write_json(path, values):
    """Write JSON `values` to `path` in one move."""
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path):
    """Return what the JSON file `path` holds; raises ValueError where it is damaged or too long."""
    if os.stat(path).st_size > MOST_BYTES:
        raise ValueError(f"Cannot read {path}: it has more than {MOST_BYTES} bytes")
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Cannot read {path}: {error}") from error


def checked_result(result, path):
    """Return a score as JSON values; raise ValueError unless it has all that is shown of it."""
    try:
        mapping("result", result)
        manifest = mapping("manifest", result["manifest"])
        text("manifest.dataset", manifest["dataset"])
        whole_number("manifest.way", manifest["way"])
        text("bn_mode", result["bn_mode"])
        whole_number("episodes", result["episodes"])
        pairs = result.get("instances") or []
        for mean, half in [(result["accuracy"], result["interval"]), *pairs]:
            for value in (mean, 0 if half is None else half, result.get("target") or 0):
                if not is_finite(value):
                    raise ValueError(f"Expected a number. Received: {value!r}")
        text("source", result.get("source", ""))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the result of a run: {error!r}") from error
    return result


@contextlib.contextmanager
def locked(path):
    """Keep other processes from training in the folder `path` while inside.

    The lock is on the folder itself, ends with the process by whatever means, and leaves no file.

    Raises BlockingIOError where another one has it. Without effect on Windows.
    """
    if fcntl is None:
        yield
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(f"Another process is training in {path}") from error
        yield
    finally:
        os.close(folder)
