"""The bundles that are served, and how newer ones take their place."""

import dataclasses
import logging
import pathlib

from kmeta_edge import FewShotClassifier

from kmeta_server import folders
from kmeta_server.errors import RequestError
from kmeta_server.signatures import Signature

log = logging.getLogger("kmeta-server")


@dataclasses.dataclass(frozen=True)
class Served:
    """A loaded bundle.

    version: the number of its folder, or else the beginning of its manifest's hash.
    candidate: what it was loaded from.
    signatures: `Signature`s by name.
    batchers: of those that are computed in batches, by name.
    """

    name: str
    version: str
    candidate: folders.Candidate
    classifier: FewShotClassifier
    signatures: dict
    batchers: dict = dataclasses.field(default_factory=dict)


class Repository:
    """Finds, checks and loads bundles; `refresh` brings what is served up to date.

    A bundle is loaded as a whole before it is served, so that nothing on disk can change its
    answers. Requests hold on to the bundle that they began with.
    """

    def __init__(self, bundles, models_dir, settings, metrics):
        """Load everything.

        Args:
            bundles: paths of bundles, or of folders of their versions, to serve in any case.
            models_dir: a folder of such, or None; what comes and goes there does so here.
            settings: `Settings`.
            metrics: `Metrics`.

        Raises:
            ValueError: if one of `bundles` cannot be served, or two have the same name.
        """
        self._given = [folders.Source(_name(path), pathlib.Path(path)) for path in bundles]
        self._models_dir, self._settings, self._metrics = models_dir, settings, metrics
        self._refused = {}  # by path: the stamp of a bundle that could not be loaded, and why
        self._gone = set()  # names that were not there the last time
        self._news = []  # lines for the log
        self.served = {}
        if models_dir and not pathlib.Path(models_dir).is_dir():
            raise ValueError(f"Expected a folder of models. Received: '{models_dir}'")
        self._scan()
        for source in self._given:
            if source.name not in self.served:
                raise ValueError(self._why_not(source.path))
        self._report()

    def _why_not(self, path):
        reasons = [
            why for place, (_, why) in self._refused.items() if path in (place, place.parent)
        ]
        what = "has no manifest.json and no folders of versions"
        what = what if path.is_dir() else "is not a folder"
        return (reasons or [f"Expected the folder of a bundle. Received: '{path}', which {what}"])[
            0
        ]

    def refresh(self):
        """Load what is new, and drop what has gone from the folder of models.

        Raises:
            ValueError: if two models have the same name.
            OSError: if the folder of models cannot be read.
        """
        self._scan()
        self._report()

    def _report(self):
        for level, text in self._news:
            log.log(level, text)
        self._news = []
        self._metrics.bundles.set(len(self.served))

    def _scan(self):
        found = self._sources()
        for source in sorted(found.values(), key=lambda source: len(source.name)):
            try:
                if not self._is_taken(source):
                    self._update(source)
            except FileNotFoundError:  # moved while it was looked at: the next time
                pass
            except OSError as error:
                self._refuse(source.name, source.path, None, error)
        gone = set(self.served) - set(found)
        for name in gone & self._gone:  # a folder that is being replaced is gone for a moment only
            self.served = {key: value for key, value in self.served.items() if key != name}
            self._news.append((logging.INFO, f"{name} is no longer served: its folder is gone"))
        self._gone = gone

    def _sources(self):
        """The places of models, by name.

        Raises:
            ValueError: if two have the same name.
        """
        found = {}
        listed = folders.sources(self._models_dir) if self._models_dir else []
        for source in [*self._given, *listed]:
            if source.name in found:
                raise ValueError(
                    f"Two models are called {source.name}: '{found[source.name].path}' and "
                    f"'{source.path}'"
                )
            found[source.name] = source
        return found

    def _is_taken(self, source):
        """Whether a name is that of another model's signature; it is refused then."""
        name, _, signature = source.name.rpartition(".")
        if name not in self.served or signature not in self.served[name].signatures:
            return False
        text = f"Model {name} has a signature of this name. Received: '{source.path}'"
        self._refuse(source.name, source.path, None, text)
        self.served = {key: value for key, value in self.served.items() if key != source.name}
        return True

    def _update(self, source):
        """Serve the newest version that can be loaded, where it is not served already."""
        now = self.served.get(source.name)
        for candidate in folders.candidates(source.path):
            if now and candidate == now.candidate:
                return
            if self._refused.get(candidate.path, (None,))[0] != candidate.stamp:
                loaded = self._load(source.name, candidate)
                if loaded:
                    self.served = {**self.served, source.name: loaded}
                    return
            if now and candidate.version == now.candidate.version:
                return  # the files of what is served were damaged; in memory it is whole

    def _load(self, name, candidate):
        """A `Served`, or None where the bundle is refused; says so in one line."""
        try:
            classifier = FewShotClassifier.load(candidate.path, self._settings.threads)
            version = candidate.version or folders.identity(candidate.path)
            signatures = {
                signature: Signature(classifier, signature, self._settings)
                for signature in classifier.signatures
            }
            if folders.stamp(candidate.path) != candidate.stamp:
                raise ValueError(f"The bundle '{candidate.path}' changed while it was being read")
        except Exception as error:  # whatever is wrong with it, others are served on
            passing = isinstance(error, (OSError, MemoryError))  # no fault of its files: try again
            self._refuse(name, candidate.path, None if passing else candidate.stamp, error)
            return None
        self._refused.pop(candidate.path, None)
        self._metrics.loads.labels(name, "loaded").inc()
        text = f"{name} is served in version {version}, from {candidate.path}"
        self._news.append((logging.INFO, text))
        return Served(name, version, candidate, classifier, signatures)

    def _refuse(self, name, path, stamp, error):
        """Remember why a bundle is not served, and say so once; without a stamp it may be yet."""
        refusal = stamp, " ".join(str(error).split()) or repr(error)
        if self._refused.get(path) == refusal:
            return
        self._refused[path] = refusal
        self._metrics.loads.labels(name, "refused").inc()
        self._news.append((logging.ERROR, f"refused for {name}: {refusal[1]}"))

    def find(self, model, version=None):
        """The `Served` and the `Signature` of a model's name, `NAME` or `NAME.SIGNATURE`.

        Raises:
            RequestError: with status 404 if there is none.
        """
        served = self.served
        name, signature = model, "serving_default"
        if name not in served:
            name, _, signature = model.rpartition(".")
        if name not in served or signature not in served[name].signatures:
            known = ", ".join(models(served)) or "none"
            raise RequestError(404, f"There is no model '{model[:80]}'. There are: {known}")
        found = served[name]
        if version not in (None, found.version):
            text = f"Model '{model}' has no version '{version[:80]}'. It has: {found.version}"
            raise RequestError(404, text)
        return found, found.signatures[signature]


def models(served):
    """The names of all models, `NAME` and `NAME.SIGNATURE`, each with its `Served`."""
    return {
        name if signature == "serving_default" else f"{name}.{signature}": found
        for name, found in served.items()
        for signature in found.signatures
    }


def _name(path):
    return pathlib.Path(path).resolve().name
