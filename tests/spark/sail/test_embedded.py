import pytest

from lakewinnow.spark.sail import embedded

NAME = "SAIL_EXECUTION__BATCH_SIZE"


@pytest.mark.parametrize(
    ("wide_rows", "users", "expected"),
    [(True, None, "1024"), (True, "512", None), (False, None, None)],
)
def test_wide_rows_come_in_smaller_batches_unless_the_user_says_how_large(
    tmp_path, monkeypatch, wide_rows, users, expected
):
    monkeypatch.delenv(NAME, raising=False)
    if users is not None:
        monkeypatch.setenv(NAME, users)
    settings = embedded._environment(tmp_path, 2, 2**30, wide_rows=wide_rows)
    assert settings.get(NAME) == expected
