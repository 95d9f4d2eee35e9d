"""What several stages' tests share: an empty lake, and one finished run to look at."""

import pytest

from builders import lake_in, sample_run


@pytest.fixture
def lake(spark, tmp_path):
    return lake_in(spark, tmp_path / "workspace")


@pytest.fixture(scope="session")
def sample(spark):
    """The workspace of a run over the bundled sample. Only to be read."""
    return sample_run(spark)[1].workspace
