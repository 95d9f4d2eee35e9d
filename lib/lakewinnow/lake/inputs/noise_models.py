"""Noise models of earlier runs: read from where they lie, and merged."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.errors import ConfigError, DataError, Shown
from lakewinnow.lake.files import Files, absolute, content_of

Source = NoiseModel | Mapping[str, Any] | str | Path


@dataclass(frozen=True, eq=False)
class EarlierNoiseModel:
    """A noise model to judge later rows with, and which file it is."""

    model: NoiseModel
    path: str  # absolute, or a URI
    sha256: str  # of the file, as `sha256sum` prints it

    @property
    def fingerprint(self) -> str:
        """What differs when the file does."""
        return self.sha256


def read(path: str | Path, where: str) -> EarlierNoiseModel:
    """Read a `noise_model.json`.

    Parameters
    ----------
    path : a local path, or a URI that pyarrow serves
    where : what an error names: the option or the parameter that gave the path

    Raises
    ------
    ConfigError : "noise_model_not_found"
    DataError : "not_a_noise_model", "other_format_version"
    """
    whole = absolute(str(path))
    content = content_of(whole)
    if content is None:
        hint = "a finished run has one in its workspace: WORKSPACE/noise_model.json"
        raise ConfigError("noise_model_not_found", where, "a file that exists", str(path), hint)
    try:
        model = NoiseModel.from_dict(json.loads(content))
    except ValueError as error:  # no JSON, or no UTF-8
        hint = "name a noise_model.json that lakewinnow wrote"
        got = Shown(f"{path} ({error})")
        raise DataError("not_a_noise_model", where, "JSON", got, hint) from error
    except DataError as error:
        raise error.at(where) from error
    return EarlierNoiseModel(model, whole, hashlib.sha256(content).hexdigest())


def model_of(source: Source, where: str) -> NoiseModel:
    """Return a noise model given as itself, as the content of its file, or by its path."""
    if isinstance(source, NoiseModel):
        return source
    if isinstance(source, Mapping):
        try:
            return NoiseModel.from_dict(source)
        except DataError as error:
            raise error.at(where) from error
    return read(source, where).model


def write(model: NoiseModel, path: str) -> None:
    """Write a `noise_model.json` where there is none.

    Raises
    ------
    DataError : "output_exists"
    """
    folder, _, name = absolute(path).rpartition("/")
    files = Files(folder)
    if files.exists(name):
        hint = "choose another file, or delete this one"
        raise DataError(
            "output_exists", path, "a file that does not exist yet", Shown("one that exists"), hint
        )
    files.write_json(name, model.to_dict())


def merge_noise_models(models: Sequence[Source]) -> NoiseModel:
    """Return the noise model of the rows of several runs, as one pass over all would count them.

    Thresholds stay those of the models. What was counted under other thresholds does not add up: a
    row's confident guess depends on them, and without the row it cannot be made again. So models
    merge which share their thresholds: that of a run, and those of later batches scored with it
    (``run --noise-model``, or `find_label_issues` with `noise_model`). Models of runs that each
    estimated their own are refused.

    Parameters
    ----------
    models : sequence of NoiseModel, of the content of `noise_model.json`, or of paths to one

    Returns
    -------
    NoiseModel
        Its `to_dict()` is the content of a `noise_model.json`.

    Raises
    ------
    ConfigError : "no_noise_models", "noise_model_not_found"
    DataError : "not_a_noise_model", "other_format_version", "other_classes", "other_thresholds"
    """
    if not models:
        raise ConfigError("no_noise_models", "models", "one or more noise models", Shown("none"))
    names = [str(m) if isinstance(m, (str, Path)) else f"models[{i}]" for i, m in enumerate(models)]
    first, *later = map(model_of, models, names)
    for name, model in zip(names[1:], later, strict=True):
        try:
            first = first.merge(model)
        except DataError as error:
            raise error.at(name) from error
    return first
