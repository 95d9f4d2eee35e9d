import numpy as np
import pytest

from lakewinnow.core.logistic.lbfgs import _rate, minimise

N_CLASSES, N_PROBLEMS, N_FEATURES = 3, 4, 6
ALL = np.arange(N_PROBLEMS)


def quadratics(seed=0, condition=30.0):
    """Four convex quadratics of different scale, their minima, and how far a point is from them."""
    rng = np.random.default_rng(seed)
    hessian = rng.uniform(1, condition, (N_CLASSES, N_PROBLEMS, N_FEATURES)).astype(np.float32)
    hessian *= np.array([[[0.01], [1], [10], [1000]]], np.float32)
    minima = rng.standard_normal(hessian.shape).astype(np.float32)

    def function(coef, problems):
        away = coef - minima[:, problems]
        gradient = hessian[:, problems] * away
        return 0.5 * np.sum(gradient * away, axis=(0, 2), dtype=np.float64), gradient

    return function, hessian, minima


def below(decrement):
    return lambda progress, _: progress.decrement < decrement


def by(divisor):
    return lambda gradient, _: gradient / np.float32(divisor)


@pytest.mark.parametrize("scale", [0.03, 1.0, 30.0])
def test_problems_of_any_scale_are_solved_with_any_preconditioner(scale):
    function, hessian, minima = quadratics()
    start = np.zeros((N_CLASSES, 1, N_FEATURES), np.float32)
    found = minimise(
        function,
        start,
        N_PROBLEMS,
        lambda gradient, problems: gradient * np.float32(scale) / hessian[:, problems],
        below(1e-6),
        100,
    )
    assert found.converged.all()
    assert function(found.coef, ALL)[0] == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(found.coef, minima, atol=0.02)


def test_steps_that_were_cut_do_not_look_like_convergence():
    def quartics(coef, _):  # far out they are much steeper than the preconditioner expects
        loss = np.sum(coef**4 / 4 + coef**2 / 2, axis=(0, 2), dtype=np.float64)
        return loss, coef**3 + coef

    def watch(progress, problems):
        loss, gradient = quartics(progress.coef, problems)
        assert (progress.decrement > loss).all()  # twice what there is to gain
        slope = np.einsum("kfd,kfd->f", gradient, progress.step)
        np.testing.assert_allclose(-slope, progress.decrement, rtol=1e-3)
        return progress.decrement < 1e-8

    start = np.full((1, 2, 1), 30, np.float32)
    assert minimise(quartics, start, 2, lambda gradient, _: gradient, watch, 100).converged.all()


def test_a_poor_preconditioner_is_made_good():
    function, _, minima = quadratics()
    start = np.zeros_like(minima)
    found = minimise(function, start, N_PROBLEMS, by(30), below(1e-7), 200)
    assert found.converged.all()
    np.testing.assert_allclose(found.coef, minima, atol=0.02)


def test_a_problem_that_is_solved_is_left_alone():
    function, _, minima = quadratics()
    asked = []

    def watched(coef, problems):
        asked.append(problems.tolist())
        return function(coef, problems)

    start = minima.copy()
    start[:, 2] += 1
    found = minimise(watched, start, N_PROBLEMS, by(100), below(1e-7), 200)
    assert found.converged.all()
    assert asked[0] == [0, 1, 2, 3]
    assert asked[1:] == [[2]] * (len(asked) - 1)
    alone = minimise(
        lambda coef, _: function(coef, np.array([2])),
        start[:, 2:3],
        1,
        by(100),
        below(1e-7),
        200,
    )
    np.testing.assert_array_equal(found.coef[:, 2:3], alone.coef)
    np.testing.assert_array_equal(found.decrement[2], alone.decrement[0])


def test_too_few_steps_are_reported_problem_by_problem():
    function, _, minima = quadratics()
    start = minima.copy()
    start[:, 1:] += 1  # the first is where it should be
    found = minimise(function, start, N_PROBLEMS, by(1e5), below(1e-6), 3)
    assert found.n_steps == 3
    np.testing.assert_array_equal(found.converged, [True, False, False, False])


def test_a_loss_that_is_not_finite_ends_the_search():
    function, hessian, minima = quadratics()

    def broken(coef, problems):
        loss, gradient = function(coef, problems)
        if problems[0] == 0 and np.any(coef[:, 0]):
            loss[0] = np.nan
        return loss, np.where(np.isnan(loss)[:, None], np.float32(np.nan), gradient)

    start = np.zeros_like(minima)
    found = minimise(
        broken,
        start,
        N_PROBLEMS,
        lambda gradient, problems: gradient / hessian[:, problems],
        below(1e-6),
        1000,
    )
    np.testing.assert_array_equal(found.converged, [False, True, True, True])
    assert found.n_steps < 20
    assert np.isfinite(found.coef).all()


def test_the_rate_is_that_of_the_last_steps_within_reason():
    first, second, third = np.array([1.0, 1.0, 1.0, 0]), np.array([0.8**2, 1e-9, 2, 0]), np.ones(4)
    np.testing.assert_allclose(_rate([first]), 0.75)
    np.testing.assert_allclose(_rate([first, second]), [0.8, 0.75, 0.95, 0.75])
    np.testing.assert_allclose(_rate([first, second, third])[:3], 0.95)
