def test_tmp(spark):
    assert spark.range(3).count() == 3
