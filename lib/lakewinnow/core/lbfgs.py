"""L-BFGS for several convex problems at once, one step length and one set of scalars a problem.

All arrays are float32 of shape (K, F, D), F the number of problems; inner products run over the
other two axes and are summed in float64.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from lakewinnow.core.softmax_regression import FAR_OFF, Float32Array
from lakewinnow.core.types import BoolArray, FloatArray

Function: TypeAlias = Callable[[Float32Array], tuple[FloatArray, Float32Array]]
Preconditioner: TypeAlias = Callable[[Float32Array], Float32Array]
Pairs: TypeAlias = deque[tuple[Float32Array, Float32Array, FloatArray]]

RATES: Final = (0.7, 0.95)  # the least and the greatest that are believed
MEMORY: Final = 10  # pairs kept
MAX_CUTS: Final = 12  # of the step length; 0.4^12 is 2e-5
CUT: Final = 0.4
ARMIJO: Final = 1e-4
LOSS_NOISE: Final = 1e-7  # relative; what float32 scores leave undecided
MAX_SLOPE: Final = 0.5  # approximate Wolfe: the slope at the end, as a part of that at the start


class Progress(NamedTuple):
    """What tells whether a problem is solved.

    Attributes
    ----------
    coef, step : shape (K, F, D), the coefficients and the next step
    decrement : shape (F,), Newton decrement: twice the decrease that the step promises
    rate : shape (F,), factor by which steps shrink, cautiously from the last two
    """

    coef: Float32Array
    step: Float32Array
    decrement: FloatArray
    rate: FloatArray


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where a minimisation ended.

    Attributes
    ----------
    coef : shape (K, F, D); where converged, one step that was not evaluated is already taken
    converged : shape (F,)
    decrement : shape (F,), Newton decrement before the last step
    n_steps : number of steps, the same for all problems
    """

    coef: Float32Array
    converged: BoolArray
    decrement: FloatArray
    n_steps: int


@FAR_OFF
def minimise(
    function: Function,
    coef: Float32Array,
    precondition: Preconditioner,
    converged: Callable[[Progress], BoolArray],
    max_steps: int,
) -> Minimum:
    """Minimise F convex functions.

    Parameters
    ----------
    function : gives losses and gradients of all problems
    coef : where to start; shape (K, 1, D) if all problems start there
    precondition : a positive definite approximation of the inverse Hessian, applied to a gradient
    converged : which problems are solved once the next step is taken
    max_steps : most steps; a step is one evaluation, more where its length must be cut
    """
    loss, gradient = function(coef)
    coef = np.broadcast_to(coef, gradient.shape)
    damping = np.ones(len(loss), np.float32)
    stuck = np.zeros(len(loss), np.bool_)
    decrements: deque[FloatArray] = deque(maxlen=3)
    pairs: Pairs = deque(maxlen=MEMORY)
    for n_steps in range(max_steps + 1):
        direction = _direction(gradient, pairs, precondition, damping)
        slope = inner(gradient, direction)
        # rounding can turn the sign of a slope that is all noise
        decrements.append(np.abs(slope) / damping)
        undamped = direction / damping[:, None]
        done = converged(Progress(coef, undamped, decrements[-1], _rate(decrements)))
        if (done | stuck).all() or n_steps == max_steps:
            break
        length = np.where(stuck, 0.0, 1.0)
        for _ in range(MAX_CUTS):
            there = coef + length.astype(np.float32)[:, None] * direction
            loss_there, gradient_there = function(there)
            lower = loss_there <= loss + ARMIJO * length * slope + LOSS_NOISE * np.abs(loss)
            slope_there = inner(gradient_there, direction)
            flat = np.abs(slope_there) <= MAX_SLOPE * np.abs(slope)
            too_long = ~(lower | flat | stuck)
            if not too_long.any():
                break
            length[too_long] *= CUT
        else:  # no step helps: the loss is not finite, or float32 leaves only noise
            stuck |= too_long
            continue
        # where a problem is solved its changes are all rounding, and a pair could lead anywhere
        pairs.append(_pair(there - coef, gradient_there - gradient, ~done))
        # a step that had to be cut says that the preconditioner takes the curvature for too small
        damping *= np.where(stuck, 1, length).astype(np.float32)
        too_short = slope_there < MAX_SLOPE * slope
        damping[too_short] = np.minimum(damping[too_short] / CUT, 1)
        np.maximum(damping, 1e-6, out=damping)
        coef, loss, gradient = there, loss_there, gradient_there
    last = coef + done.astype(np.float32)[:, None] * direction
    return Minimum(last, done, decrements[-1], n_steps)


def _rate(decrements: Sequence[FloatArray]) -> FloatArray:
    """Factor by which steps shrink: a decrement is a step squared."""
    if len(decrements) == 1:
        return np.full_like(decrements[0], RATES[0])
    ratio = decrements[-1] / np.maximum(decrements[0], np.finfo(np.float64).tiny)
    return np.clip(ratio ** (0.5 / (len(decrements) - 1)), *RATES)


def inner(a: Float32Array, b: Float32Array) -> FloatArray:
    """Inner product per problem, shape (F,)."""
    product: FloatArray = np.sum(np.vecdot(a, b), axis=0, dtype=np.float64)
    return product


def _pair(
    step: Float32Array, change: Float32Array, useful: BoolArray
) -> tuple[Float32Array, Float32Array, FloatArray]:
    """Step, change of the gradient, and 1 over their product, or 0 where it is of no use."""
    product = inner(step, change)
    useful = useful & (product > 0)
    return step, change, np.divide(1.0, product, out=np.zeros_like(product), where=useful)


def _direction(
    gradient: Float32Array,
    pairs: Pairs,
    precondition: Preconditioner,
    damping: Float32Array,
) -> Float32Array:
    """Two-loop recursion (Nocedal & Wright, algorithm 7.4), negated."""
    rest = gradient.copy()
    along = []
    for step, change, inverse in reversed(pairs):
        along.append((inverse * inner(step, rest)).astype(np.float32)[:, None])
        rest -= along[-1] * change
    direction = precondition(rest) * damping[:, None]
    for (step, change, inverse), wanted in zip(pairs, reversed(along), strict=True):
        direction += (
            wanted - (inverse * inner(change, direction)).astype(np.float32)[:, None]
        ) * step
    return -direction
