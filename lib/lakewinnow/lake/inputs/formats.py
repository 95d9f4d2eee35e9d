"""Which format the input has: as configured, by the path's ending, or by a folder's files."""

from lakewinnow.config.formats import format_of
from lakewinnow.config.sections import InputConfig
from lakewinnow.errors import ConfigError, Shown
from lakewinnow.lake.files import Files

_HF_STATE, _HF_SPLITS = "state.json", "dataset_dict.json"  # what Hugging Face's datasets save


def input_format(config: InputConfig) -> str:
    """Return the format to read the input with.

    Raises
    ------
    ConfigError : as `file_format`
    """
    if config.table is not None:
        return "table"
    return config.format or file_format(config.path or "")


def file_format(path: str) -> str:
    """Return the format of a file, or of the files of a folder.

    Raises
    ------
    ConfigError : "missing_key": the names do not say; "mixed_formats"; "several_tables"
    """
    named = format_of(path)
    if named is not None:
        return named
    names = [entry.base_name for entry in Files(path).entries()]
    if "_delta_log" in names:
        return "delta"
    if _HF_SPLITS in names:
        splits = ", ".join(name for name in names if "." not in name)
        expected, hint = "one table", f"name one of its folders: {splits}"
        raise ConfigError("several_tables", "input.path", expected, Shown(path), hint)
    if _HF_STATE in names:
        return "arrow"
    shown = [name for name in names if not name.startswith(("_", "."))]
    found = {format_of(name) for name in shown} - {None}
    if not found and any("=" in name for name in shown):  # folders of a key hold the files
        return file_format(f"{path.rstrip('/')}/{next(name for name in shown if '=' in name)}")
    if len(found) > 1:
        got, hint = Shown(", ".join(sorted(map(str, found)))), "input.format and a pattern, *.csv"
        raise ConfigError("mixed_formats", "input.path", "files of one format", got, hint)
    if not found:
        expected, hint = "a format", "neither the path's ending nor its files show the format"
        raise ConfigError("missing_key", "input.format", expected, None, hint)
    return str(found.pop())
