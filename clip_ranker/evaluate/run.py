"""One run: each model and setting on each data set."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip_ranker.evaluate import calibrate, cost, feedback, measures
from clip_ranker.evaluate.data import DataError, Dataset, Fault, checked
from clip_ranker.evaluate.judge import Scored, readable, score
from clip_ranker.evaluate.pairs import collect
from clip_ranker.evaluate.report import MISTAKES, Comparison, Report, Row, mistakes
from clip_ranker.evaluate.setting import SERVED, SETTINGS
from clip_ranker.evaluate.vectors import Embedder
from clip_ranker.models.store import StoredModel

LONGEST_CURVE = 20

Vectors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Judged:
    """A data set with the scores of one model and setting."""

    dataset: Dataset
    model: str
    setting: str
    scored: list[Scored]

    @cached_property
    def values(self) -> measures.Values:
        """Of each measure, by item."""
        return measures.by_item(self.scored)


@dataclass
class Run:
    """What to do, and what came of it so far.

    Attributes:
        datasets: of files.
        log: feedback of an app, where there is one.
        settings: names of them, the first is what others are compared with.
        cache: folder of kept vectors.
        seed: of the bootstrap.
        advance: called for each picture.
        embedder: of a model, with that folder.
        judged: by this run, in order.
    """

    datasets: Sequence[Dataset]
    log: Path | None
    settings: Sequence[str]
    cache: Path
    seed: int = 0
    advance: Callable[[], None] = lambda: None
    embedder: Callable[[StoredModel, Path], Embedder] = Embedder
    report: Report = field(default_factory=Report)
    judged: list[Judged] = field(default_factory=list)

    def steps(self, models: int) -> int:
        """How often ``advance`` is called."""
        files = [
            len({query.photo for query in dataset.queries}) + len(set(dataset.listings))
            for dataset in self.datasets
        ]
        return models * sum(files)

    def __call__(self, models: Sequence[StoredModel]) -> Report:
        """Judges all models.

        Raises:
            DataError: no data set could be used, or the cache cannot.
        """
        self.report.seed = self.seed
        self.report.faults += [fault for one in self.datasets for fault in one.faults]
        for stored in models:
            with closing(self.embedder(stored, self.cache)) as embedder:
                costs = cost.Costs(embedder)
                for dataset in self.datasets:
                    self._files(stored, dataset, embedder, costs)
            if self.log is not None:
                self._logged(stored, self.log)
        if not self.report.rows:
            raise DataError("\n".join(f"{one.what}: {one.why}" for one in self.report.faults))
        self.report.faults = list(dict.fromkeys(self.report.faults))
        self._compare()
        return self.report

    def calibrate(self, stored: StoredModel, *, precision: float, listings: int) -> None:
        """Fits what the scores of a model that was judged mean, and stores it with the model.

        Args:
            stored: the model; its setting ``SERVED`` was judged.
            precision: wanted of the band ``same``.
            listings: of a search; one of them is right.

        Raises:
            DataError: there is too little to fit it on, or nowhere to store it.
        """
        served = [one for one in self.judged if (one.model, one.setting) == (stored.name, SERVED)]
        if not served:
            raise DataError(f"{stored.name}: there is nothing to calibrate it by")
        names = ", ".join(Path(one.dataset.name).name for one in served)
        fitted = calibrate.fit(
            collect((one.dataset, one.scored) for one in served),
            model=stored.name,
            data=names,
            precision=precision,
            listings=listings,
            seed=self.seed,
        )
        try:
            fitted.calibration.save(stored.graph.parent)
        except OSError as error:
            where = stored.graph.parent
            raise DataError(f"{where}: the calibration cannot be stored: {error}") from error
        self.report.calibrations.append(fitted)

    def _files(
        self, stored: StoredModel, dataset: Dataset, embedder: Embedder, costs: cost.Costs
    ) -> None:
        chosen = [SETTINGS[name] for name in self.settings]
        photo_views = list(dict.fromkeys(view for one in chosen for view in one.photo))
        listing_views = list(dict.fromkeys(view for one in chosen for view in one.listing))
        names = [query.photo for query in dataset.queries]
        photos, unread = embedder(names, photo_views, self.advance)
        listings, unread_listings = embedder(dataset.listings, listing_views, self.advance)
        left, lonely = readable(dataset, photos, listings)
        self.report.faults += [*unread, *unread_listings, *lonely]
        try:
            checked(left)
        except DataError as error:
            self.report.faults.append(Fault(dataset.name, str(error)))
            return
        for name, setting in zip(self.settings, chosen, strict=True):
            photo = _of(photos, photo_views, setting.photo)
            listing = _of(listings, listing_views, setting.listing)
            scored = score(left, setting, photo, listing, embedder.texts)
            costs_of = (costs(list(photos), setting.photo), costs(list(listings), setting.listing))
            self._add(Judged(left, stored.name, name, scored), *costs_of)

    def _logged(self, stored: StoredModel, log: Path) -> None:
        dataset = feedback.read(log, stored)
        self.report.faults += dataset.faults
        try:
            checked(dataset)
        except DataError as error:
            self.report.faults.append(Fault(f"{log}, model {stored.name}", str(error)))
            return
        vectors = {name: vector[None] for name, vector in dataset.vectors.items()}
        scored = score(dataset, SETTINGS[SERVED], vectors, vectors)
        self._add(Judged(dataset, stored.name, SERVED, scored), None, None)

    def _add(
        self, judged: Judged, photo_cost: cost.Cost | None, listing_cost: cost.Cost | None
    ) -> None:
        self.judged.append(judged)
        wrong = mistakes(judged.dataset, judged.scored)
        self.report.rows.append(
            Row(
                dataset=judged.dataset.name,
                model=judged.model,
                setting=judged.setting,
                items=judged.dataset.items,
                photos=len(judged.dataset.queries),
                measures=measures.means(judged.values, seed=self.seed),
                auc=measures.auc(judged.scored),
                curve=measures.curve(judged.scored, LONGEST_CURVE),
                photo_cost=photo_cost,
                listing_cost=listing_cost,
                mistakes=wrong[:MISTAKES],
                mistaken=len(wrong),
            )
        )

    def _compare(self) -> None:
        """Settings of a model with its first, and models by their first with the first model."""
        first: dict[tuple[str, str], Judged] = {}
        for one in self.judged:
            name = one.dataset.name
            base = first.get((name, one.model)) or first.get((name, ""))
            if base is not None:
                paired = measures.paired(base.values, one.values)
                pair = ((base.model, base.setting), (one.model, one.setting))
                self.report.comparisons.append(Comparison(name, *pair, paired))
            first.setdefault((name, one.model), one)
            first.setdefault((name, ""), one)


def _of(vectors: Vectors, views: Sequence[str], wanted: Sequence[str]) -> Vectors:
    """The same files' vectors of some of the views only."""
    places = [views.index(view) for view in wanted]
    return {name: every[places] for name, every in vectors.items()}
