"""The noise model: all that one run learns about how the labels of its corpus came to be wrong.

It holds the states it was estimated from too, so that models of several runs can be merged, and the
estimates as they were written, so that a model read back is the model that was used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Final, Self

import numpy as np

from lakewinnow.core.noise.calibration import Calibration
from lakewinnow.core.noise.channel import Channel
from lakewinnow.core.noise.confident_learning import (
    JointState,
    ThresholdState,
    calibrate,
    calibrate_cells,
    estimate_joint,
    estimate_latent,
    estimate_latent_cells,
)
from lakewinnow.core.noise.health import (
    find_overlapping_classes,
    overall_label_health_score,
    rank_classes_by_label_quality,
)
from lakewinnow.core.sparse import MOST_DENSE, Counts, Matrix, Sparse
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.errors import DataError, Shown

FORMAT_VERSION: Final = 1  # of noise_model.json: another one when what is in it means another thing
_ARRAYS: Final[
    Mapping[str, tuple[type, int]]
] = {  # in the file: the type, and how often K is a side
    "thresholds": (np.float64, 1),
    "confident_joint": (np.int64, 2),
    "joint": (np.float64, 2),
    "py": (np.float64, 1),
    "noise_matrix": (np.float64, 2),
    "inverse_noise_matrix": (np.float64, 2),
}
_CELLS: Final = "confident_joint_cells"  # in the file, of more than 1,000 classes
MOST_OVERLAPS: Final = 1000  # in `label_health`; the table of all pairs is `health`'s


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Estimates of label noise, and the states they come from.

    Of more than 1,000 classes the K x K matrices are `Sparse`.

    Attributes
    ----------
    classes : K names, in the order of the labels 0 .. K-1
    thresholds : float64, shape (K,), under which `joint_state` was counted
    threshold_state, joint_state : what was summed over the rows
    confident_joint : int64, shape (K, K), calibrated, rows = given label, columns = true label
    joint : float64, shape (K, K), P(given, true)
    py : float64, shape (K,), P(true)
    noise_matrix : float64, shape (K, K), P(given = row | true = column)
    inverse_noise_matrix : float64, shape (K, K), P(true = row | given = column)
    calibration : of the probabilities, for the posterior; None: nobody has measured it
    channel : how labels come about, as far as it can be told from what the classifier gets wrong;
        None: nobody has looked
    """

    classes: tuple[str, ...]
    thresholds: FloatArray
    threshold_state: ThresholdState
    joint_state: JointState
    confident_joint: Counts
    joint: Matrix
    py: FloatArray
    noise_matrix: Matrix
    inverse_noise_matrix: Matrix
    calibration: Calibration | None = None
    channel: Channel | None = None

    @classmethod
    def estimate(
        cls,
        classes: Sequence[str],
        threshold_state: ThresholdState,
        joint_state: JointState,
        thresholds: FloatArray | None = None,
    ) -> Self:
        """Estimate the model from the states of passes 1 and 2.

        Parameters
        ----------
        classes : K names
        threshold_state, joint_state : of the same rows
        thresholds : float64, shape (K,), under which `joint_state` was counted, where these are not
            `threshold_state.thresholds()`: an earlier model's, for rows that came later

        Raises
        ------
        DataError : "no_rows"
        """
        if thresholds is None:
            thresholds = threshold_state.thresholds()
        raw_joint = joint_state.confident_joint
        return cls._calibrated(classes, threshold_state, joint_state, thresholds, raw_joint)

    @classmethod
    def _calibrated(
        cls,
        classes: Sequence[str],
        threshold_state: ThresholdState,
        joint_state: JointState,
        thresholds: FloatArray,
        raw_joint: Counts,
    ) -> Self:
        counts = threshold_state.counts
        if not counts.any():
            raise DataError("no_rows", "label", "at least one row with a label", 0)
        return cls._of_calibrated(
            classes,
            threshold_state,
            joint_state,
            thresholds,
            calibrate_cells(raw_joint, counts)
            if isinstance(raw_joint, Sparse)
            else calibrate(raw_joint, counts),
        )

    @classmethod
    def _of_calibrated(
        cls,
        classes: Sequence[str],
        threshold_state: ThresholdState,
        joint_state: JointState,
        thresholds: FloatArray,
        confident_joint: Counts,
    ) -> Self:
        joint: Matrix
        if isinstance(confident_joint, Sparse):
            n_rows = max(float(confident_joint.value.sum()), 1.0)
            joint = confident_joint.with_values(confident_joint.value / n_rows)
            latent = estimate_latent_cells(confident_joint, threshold_state.counts)
        else:
            joint = estimate_joint(confident_joint)
            latent = estimate_latent(confident_joint, threshold_state.counts)
        return cls(
            classes=tuple(classes),
            thresholds=thresholds,
            threshold_state=threshold_state,
            joint_state=joint_state,
            confident_joint=confident_joint,
            joint=joint,
            py=latent.py,
            noise_matrix=latent.noise_matrix,
            inverse_noise_matrix=latent.inverse_noise_matrix,
        )

    def of_batch(self, threshold_state: ThresholdState, joint_state: JointState) -> Self:
        """Return the model to judge later rows with, nothing but their counts being their own.

        The thresholds are this model's, and so is the share of each given label that is of each
        true one, as when cleanlab is given this model's `confident_joint`. Over the rows that this
        model is of, the result is this model. It merges with it, for its states are of its rows.

        Parameters
        ----------
        threshold_state, joint_state : of the later rows, counted under this model's thresholds
        """
        # The raw joint: a class that this model never saw has 1 on its diagonal, so no known noise.
        raw_joint = self.joint_state.confident_joint
        model = self._calibrated(
            self.classes, threshold_state, joint_state, self.thresholds, raw_joint
        )
        return model.with_posterior(self.calibration, self.channel)

    def with_posterior(self, calibration: Calibration | None, channel: Channel | None) -> Self:
        """Return the model with what was measured of the probabilities and by them."""
        return replace(self, calibration=calibration, channel=channel)

    @property
    def counts(self) -> IntArray:
        """Rows per given label, int64, shape (K,)."""
        return self.threshold_state.counts

    @property
    def n_rows(self) -> int:
        """Rows of the corpus."""
        return int(self.counts.sum())

    @property
    def n_label_issues(self) -> int:
        """Rows confidently guessed to be of another class, cleanlab's "off_diagonal" estimate."""
        return self.joint_state.n_label_issues

    def merge(self, other: Self) -> Self:
        """Estimate the model of the rows of both.

        Confident guesses depend on the thresholds, so only joints counted under the same ones add
        up: those of an earlier model and of rows counted under its thresholds. Models of runs with
        thresholds of their own need a second pass over all rows, under the thresholds of
        `threshold_state.merge`; then the result is that of one run over all. The calibration stays
        this model's, as the thresholds do.

        Raises
        ------
        DataError : "other_classes", or "other_thresholds"
        """
        self.check_classes(other.classes, "noise_model.classes")
        if not np.array_equal(self.thresholds, other.thresholds):
            furthest = int(np.argmax(np.abs(self.thresholds - other.thresholds)))
            raise DataError(
                "other_thresholds",
                "noise_model.thresholds",
                f"a threshold of {float(self.thresholds[furthest])!r} for "
                f"{self.classes[furthest]!r}, as joints only add up under equal thresholds",
                float(other.thresholds[furthest]),
                "only a run's model and those of runs with it as --noise-model add up",
            )
        threshold_state = self.threshold_state.merge(other.threshold_state)
        joint_state = self.joint_state.merge(other.joint_state)
        merged = self.estimate(self.classes, threshold_state, joint_state, self.thresholds)
        return merged.with_posterior(
            self.calibration or other.calibration, self.channel or other.channel
        )

    def check_classes(self, classes: Sequence[str], where: str) -> None:
        """Raise DataError "other_classes" unless these are the model's, in the same order."""
        if tuple(classes) == self.classes:
            return
        pairs = list(zip_longest(self.classes, classes))
        at = next(k for k, (own, other) in enumerate(pairs) if own != other)
        own, other = (Shown("none") if name is None else repr(name) for name in pairs[at])
        expected = f"the noise model's {len(self.classes):,} classes in their order, {own} at {at}"
        hint = "use the model of a run with these classes"
        raise DataError("other_classes", where, expected, Shown(other), hint)

    def label_health(self) -> dict[str, Any]:
        """Overall score, classes with the worst first, and the 1,000 most overlapping pairs.

        Plain numbers, strings, lists and dicts, as in `noise_model.json`.
        """
        quality = rank_classes_by_label_quality(self.joint, self.n_rows)
        overlaps = find_overlapping_classes(self.joint, self.n_rows)
        top = slice(MOST_OVERLAPS)
        return {
            "overall": overall_label_health_score(self.n_label_issues, self.n_rows),
            "classes": _records(
                class_name=[self.classes[k] for k in quality.class_index], **vars(quality)
            ),
            "overlaps": _records(
                class_name_a=[self.classes[k] for k in overlaps.class_index_a[top]],
                class_name_b=[self.classes[k] for k in overlaps.class_index_b[top]],
                **{name: array[top] for name, array in vars(overlaps).items()},
            ),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `noise_model.json`; `from_dict` gives the same model back.

        Matrices are lists of rows: 1,000 classes make a file of some 20 to 60 MB. Of more classes
        there are the cells of the confident joint alone, (given, true, rows) each, from which the
        others follow.
        """
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if isinstance(self.confident_joint, Sparse):
            joint = self.confident_joint
            cells = np.column_stack([joint.row, joint.column, joint.value])
            arrays = {
                name: array for name, array in arrays.items() if not isinstance(array, Sparse)
            } | {_CELLS: cells}
        return {
            "format_version": FORMAT_VERSION,
            "classes": list(self.classes),
            "counts": self.counts.tolist(),
            **{name: array.tolist() for name, array in arrays.items()},
            **_calibration_to_dict(self.calibration),
            **({} if self.channel is None else {"channel": self.channel.to_dict()}),
            "n_label_issues": self.n_label_issues,
            "label_health": self.label_health(),
            "state": {
                "thresholds": self.threshold_state.to_rows().tolist(),
                "joint": self.joint_state.to_rows().tolist(),
            },
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned, or JSON of it.

        Raises
        ------
        DataError : "not_a_noise_model", or "other_format_version"
        """
        if not isinstance(content, Mapping):
            raise _not_a_noise_model("a mapping", Shown(type(content).__name__))
        found = content.get("format_version", FORMAT_VERSION)  # the first files did not say theirs
        if found != FORMAT_VERSION:
            expected = f"format_version {FORMAT_VERSION}, which this version of lakewinnow reads"
            hint = "make it again with this version, or install the version that made it"
            raise DataError("other_format_version", "noise_model.json", expected, found, hint)
        try:
            classes, state = tuple(content["classes"]), content["state"]
            k = len(classes)
            rows = {name: np.array(state[name], np.int64) for name in ("thresholds", "joint")}
            threshold_state = ThresholdState.from_rows(k, rows["thresholds"].reshape(-1, 5))
            joint_state = JointState.from_rows(k, rows["joint"].reshape(-1, 3))
            if k > MOST_DENSE:
                thresholds = np.array(content["thresholds"], np.float64).reshape(k)
                given, true, n = np.array(content[_CELLS], np.int64).reshape(-1, 3).T
                confident_joint = Sparse.of_pairs(k, given, true, n)
                model = cls._of_calibrated(
                    classes, threshold_state, joint_state, thresholds, confident_joint
                )
                return model.with_posterior(
                    _calibration_from_dict(content, k), _channel_from_dict(content, k)
                )
            return cls(
                classes=classes,
                threshold_state=threshold_state,
                joint_state=joint_state,
                calibration=_calibration_from_dict(content, k),
                channel=_channel_from_dict(content, k),
                **{
                    name: np.array(content[name], dtype).reshape((k,) * n_dimensions)
                    for name, (dtype, n_dimensions) in _ARRAYS.items()
                },
            )
        except KeyError as missing:
            raise _not_a_noise_model(f"a key {missing.args[0]!r}", Shown("none")) from missing
        except (TypeError, ValueError, IndexError, DataError) as wrong:
            expected = "what lakewinnow wrote, unchanged"
            raise _not_a_noise_model(expected, Shown(str(wrong).splitlines()[0])) from wrong


def _calibration_to_dict(calibration: Calibration | None) -> dict[str, Any]:
    if calibration is None:
        return {}
    prior = calibration.training_prior.tolist()
    return {"temperature": calibration.temperature, "training_prior": prior}


def _calibration_from_dict(content: Mapping[str, Any], n_classes: int) -> Calibration | None:
    if "temperature" not in content:  # the first files did not have one
        return None
    prior = np.array(content["training_prior"], np.float64).reshape(n_classes)
    calibration = Calibration(float(content["temperature"]), prior)
    if not (calibration.temperature > 0 and (prior > 0).all()):
        raise ValueError("a temperature or a training prior that is not above 0")
    return calibration


def _channel_from_dict(content: Mapping[str, Any], n_classes: int) -> Channel | None:
    if "channel" not in content:  # an earlier version's
        return None
    return Channel.from_dict(content["channel"], n_classes)


def _not_a_noise_model(expected: str, got: object) -> DataError:
    hint = "name a noise_model.json that lakewinnow wrote"
    return DataError("not_a_noise_model", "noise_model.json", expected, got, hint)


def _records(**columns: Sequence[str] | IntArray | FloatArray) -> list[dict[str, Any]]:
    lists = [
        column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()
    ]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]
