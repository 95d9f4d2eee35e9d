import threading

from threadpoolctl import threadpool_info

from lakewinnow.core.parallel import workers


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_has_one_thread_until_the_last_of_several_is_done():
    before = blas_threads()
    inside, may_end = threading.Event(), threading.Event()

    def first():
        with workers(1, 0):
            inside.set()
            may_end.wait()

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with workers(1, 0):
        may_end.set()
        thread.join()
        assert blas_threads() == {1}
    assert blas_threads() == before
