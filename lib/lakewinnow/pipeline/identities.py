"""What decides a stage's result: its settings, and what it reads from outside, each as a hash.

Hashes are of one key each, so that a plan can name the key that changed, and so that a record shows
nothing of the values, some of which may be secrets.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from lakewinnow.config.file import leaves, to_dict
from lakewinnow.config.sections import FINETUNE, Config
from lakewinnow.embedding import listed, registry
from lakewinnow.embedding.local import models
from lakewinnow.embedding.local.sentence_transformers import find_model
from lakewinnow.lake.files import content_of
from lakewinnow.lake.run import Inputs
from lakewinnow.plan.stage import Stage, names_of

_OURS: Final = "lakewinnow."


def settings_of(stage: Stage, config: Config, resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide a stage's result, by their dotted keys.

    Parameters
    ----------
    resolved : values that take the place of what is configured
    """
    found: dict[str, Any] = {}
    whole = to_dict(config)
    for key in names_of(stage.settings, config):
        found |= leaves({key: _at(whole, key, config)})
    for key in stage.how:
        found = {name: value for name, value in found.items() if not _is_in(name, key)}
        found = {name: _without(value, name, key) for name, value in found.items()}
    return found | {key: value for key, value in resolved.items() if key in found}


def outside_of(stage: Stage, config: Config, inputs: Inputs | None) -> dict[str, str]:
    """Return what identifies the content of what a stage reads from outside, by its name.

    Parameters
    ----------
    inputs : None: leaves out what has to be opened
    """
    found: dict[str, str] = {}
    for name in stage.outside:
        if name in _IDENTITIES:
            found[name] = _IDENTITIES[name](config)
        elif "." in name:
            found[name] = _of_file(_at(to_dict(config), name, config))
        elif inputs is not None:
            opened = inputs.opened.get(name) or getattr(inputs, name, None)
            if opened is not None:
                found[name] = opened.fingerprint
    if isinstance(stage.run, str) and not stage.run.startswith(_OURS):
        found["its code"] = _of_code(stage.run)
    for path in names_of(stage.code, config):
        if not path.startswith(_OURS):
            found[f"code of {path}"] = _of_code(path)
    return found


def hashes(values: Mapping[str, Any]) -> dict[str, str]:
    """Return a hash of each value, in the order of their names."""
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
        for name, value in sorted(values.items())
    }


def _at(whole: Any, key: str, config: Config) -> Any:
    for part in key.split("."):
        if isinstance(whole, Mapping) and part not in whole:
            return attrgetter(key)(config)  # what several keys come to
        whole = whole[part] if whole is not None else None
    return whole


def _is_in(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")


def _without(value: Any, key: str, how: str) -> Any:
    """Leave `how` out of sections in a list, too: those of embedding.candidates."""
    section, _, _ = key.rpartition(".")
    if not isinstance(value, list) or not how.startswith(f"{section}."):
        return value
    first, *rest = how.removeprefix(f"{section}.").split(".")
    return [_dropped(item, first, *rest) for item in value]


def _dropped(item: Any, first: str, *rest: str) -> Any:
    if not isinstance(item, Mapping) or first not in item:
        return item
    if not rest:
        return {name: of for name, of in item.items() if name != first}
    return {**item, first: _dropped(item[first], *rest)}


# --- what is not opened by Spark ----------------------------------------------------------------


def _of_embedding(config: Config) -> str:
    """Return what vectors are filed under: a digest of the model's files is in it."""
    if config.input.pred_probs is not None or config.input.has_own_vectors:
        return ""
    if config.embedding.candidates:
        return repr(listed.identify(config.embedding))
    return repr(registry.identify(config.embedding))


def _of_finetuned(config: Config) -> str:
    model = config.finetune.model or config.embedding.model
    is_folder = config.finetune.provider == "local" and model and Path(model).is_dir()
    return models.name_of(Path(model)) if model and is_folder else str(model)


def _of_classifiers(config: Config) -> str:
    """Return the models that the classifier finetune trains, each with a digest of its files."""
    if not config.has_vectors:
        return ""
    tuned = (of for of in config.crossval.members if of.classifier == FINETUNE)
    return " ".join(models.name_of(*find_model(of.params["model"])) for of in tuned)


_IDENTITIES: Final[Mapping[str, Callable[[Config], str]]] = {
    "embedding": _of_embedding,
    "finetune_model": _of_finetuned,
    "crossval_model": _of_classifiers,
}


def _of_code(path: str) -> str:
    """Return a hash of the module that a function or class is in, as it may call others there."""
    file, is_file, _ = path.partition(".py:")
    if is_file:
        return hashlib.sha256(Path(f"{file}.py").read_bytes()).hexdigest()
    module_name, _, name = path.replace(":", ".").rpartition(".")
    module = import_module(module_name)
    made = getattr(module, name)
    if inspect.isroutine(made) or inspect.isclass(made):
        module = inspect.getmodule(made) or module
    file = getattr(module, "__file__", None) or ""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file.endswith(".py") else path


def _of_file(path: str | None) -> str:
    """Return a hash of a file's content; "" where there is none."""
    content = None if path is None else content_of(path)
    return "" if content is None else hashlib.sha256(content).hexdigest()
