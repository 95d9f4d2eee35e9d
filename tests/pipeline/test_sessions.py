import pytest

from builders import make_config
from lakewinnow.pipeline import sessions


@pytest.mark.parametrize("pred_probs", [None, "probs"])
def test_a_session_is_told_whether_rows_come_with_a_number_for_each_class(
    tmp_path, monkeypatch, pred_probs
):
    asked = {}
    monkeypatch.setattr(sessions, "session", lambda **how: asked.update(how))
    config = make_config(
        tmp_path / "rows.parquet", tmp_path / "out", input={"pred_probs": pred_probs}
    )
    sessions.session_for(config)
    assert asked["wide_rows"] == (pred_probs is not None)
