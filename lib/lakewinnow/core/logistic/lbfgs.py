"""L-BFGS for several convex problems at once, one step length and one set of scalars a problem.

All arrays are float32 of shape (K, F, D), F the number of problems; inner products run over the
other two axes and are summed in float64.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.logistic.softmax_regression import FAR_OFF, Float32Array
from lakewinnow.core.types import BoolArray, FloatArray

Indices: TypeAlias = npt.NDArray[np.intp]
Function: TypeAlias = Callable[[Float32Array, Indices], tuple[FloatArray, Float32Array]]
Preconditioner: TypeAlias = Callable[[Float32Array, Indices], Float32Array]
Pair: TypeAlias = tuple[Float32Array, Float32Array, FloatArray]

RATES: Final = (0.75, 0.95)  # the least and the greatest that are believed
MEMORY: Final = 10  # pairs kept
MAX_CUTS: Final = 12  # of the step length; 0.4^12 is 2e-5
CUT: Final = 0.4
ARMIJO: Final = 1e-4
LOSS_NOISE: Final = 1e-7  # relative; what float32 scores leave undecided
MAX_SLOPE: Final = 0.5  # approximate Wolfe: the slope at the end, as a part of that at the start


class StepProgress(NamedTuple):
    """What tells whether a problem is solved."""

    # shape (K, F, D), the coefficients and the next step
    coef: Float32Array
    step: Float32Array
    decrement: FloatArray  # shape (F,), Newton decrement: twice the decrease that the step promises
    rate: FloatArray  # shape (F,), factor by which steps shrink, cautiously from the last two


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where a minimisation ended."""

    # shape (K, F, D); where converged, one step that was not evaluated is already taken
    coef: Float32Array
    converged: BoolArray  # shape (F,)
    decrement: FloatArray  # shape (F,), Newton decrement before the last step
    n_steps: int  # number of steps of the problem that took most


@FAR_OFF
def minimise(
    function: Function,
    coef: Float32Array,
    n_problems: int,
    precondition: Preconditioner,
    converged: Callable[[StepProgress, Indices], BoolArray],
    max_steps: int,
) -> Minimum:
    """Minimise F convex functions, each until it is solved.

    The callbacks are told which of the problems they are asked about.

    Parameters
    ----------
    function : gives losses and gradients
    coef : where to start; shape (K, 1, D) if all problems start there
    n_problems : F
    precondition : a positive definite approximation of the inverse Hessian, applied to a gradient
    converged : which problems are solved once the next step is taken
    max_steps : most steps; a step is one evaluation, more where its length must be cut
    """
    state = _State.start(function, coef, n_problems)
    last = np.array(state.coef)
    solved, decrement = np.zeros(n_problems, np.bool_), np.zeros(n_problems)
    stuck = solved
    for n_steps in range(max_steps + 1):
        direction = state.direction(precondition)
        slope = inner(state.gradient, direction)
        # rounding can turn the sign of a slope that is all noise
        state.decrements.append(np.abs(slope) / state.damping)
        step = direction / state.damping[:, None]
        progress = StepProgress(state.coef, step, state.decrements[-1], _rate(state.decrements))
        done = converged(progress, state.problems)
        ended = done | stuck | (n_steps == max_steps)
        # a solved problem goes on no more: its changes would be all rounding, and lead anywhere
        of = state.problems[ended]
        last[:, of] = state.coef[:, ended] + done[ended, None] * direction[:, ended]
        solved[of], decrement[of] = done[ended], progress.decrement[ended]
        if ended.all():
            break
        if ended.any():
            state, direction, slope = state.only(~ended), direction[:, ~ended], slope[~ended]
        stuck = state.search(function, direction, slope)
    return Minimum(last, solved, decrement, n_steps)


@dataclass(eq=False)
class _State:
    """Where the problems that are not solved stand, f of them.

    Attributes
    ----------
    problems : their numbers, shape (f,)
    coef, gradient : shape (K, f, D)
    loss : shape (f,)
    damping : float32, shape (f,), by which the preconditioner's steps are shortened
    decrements : Newton decrements of the last steps, shape (f,) each
    pairs : steps, changes of the gradient, and 1 over their product, or 0 where it is of no use
    """

    problems: Indices
    coef: Float32Array
    loss: FloatArray
    gradient: Float32Array
    damping: Float32Array
    decrements: deque[FloatArray]
    pairs: deque[Pair]

    @classmethod
    def start(cls, function: Function, coef: Float32Array, n_problems: int) -> Self:
        problems = np.arange(n_problems)
        loss, gradient = function(coef, problems)
        coef = np.broadcast_to(coef, gradient.shape)
        damping = np.ones(n_problems, np.float32)
        return cls(problems, coef, loss, gradient, damping, deque(maxlen=3), deque(maxlen=MEMORY))

    def only(self, kept: BoolArray) -> "_State":
        """Return the state of some of the problems."""
        pairs = [(step[:, kept], change[:, kept], over[kept]) for step, change, over in self.pairs]
        return _State(
            self.problems[kept],
            self.coef[:, kept],
            self.loss[kept],
            self.gradient[:, kept],
            self.damping[kept],
            deque([decrement[kept] for decrement in self.decrements], maxlen=3),
            deque(pairs, maxlen=MEMORY),
        )

    def direction(self, precondition: Preconditioner) -> Float32Array:
        """Two-loop recursion (Nocedal & Wright, algorithm 7.4), negated."""
        rest = self.gradient.copy()
        along = []
        for step, change, inverse in reversed(self.pairs):
            along.append((inverse * inner(step, rest)).astype(np.float32)[:, None])
            rest -= along[-1] * change
        direction = precondition(rest, self.problems) * self.damping[:, None]
        for (step, change, inverse), wanted in zip(self.pairs, reversed(along), strict=True):
            found = (inverse * inner(change, direction)).astype(np.float32)[:, None]
            direction += (wanted - found) * step
        return -direction

    def search(self, function: Function, direction: Float32Array, slope: FloatArray) -> BoolArray:
        """Take a step along a direction; return for which problems none helps.

        Where there are such, none is taken: the loss is not finite, or float32 leaves only noise.
        """
        length = np.ones(len(slope))
        for _ in range(MAX_CUTS):
            there = self.coef + length.astype(np.float32)[:, None] * direction
            loss, gradient = function(there, self.problems)
            allowed = self.loss + ARMIJO * length * slope + LOSS_NOISE * np.abs(self.loss)
            slope_there = inner(gradient, direction)
            flat = np.abs(slope_there) <= MAX_SLOPE * np.abs(slope)
            too_long = ~((loss <= allowed) | flat)
            if not too_long.any():
                break
            length[too_long] *= CUT
        else:
            return too_long
        self.pairs.append(_pair(there - self.coef, gradient - self.gradient))
        # a step that had to be cut says that the preconditioner takes the curvature for too small
        self.damping *= length.astype(np.float32)
        too_short = slope_there < MAX_SLOPE * slope
        self.damping[too_short] = np.minimum(self.damping[too_short] / CUT, 1)
        np.maximum(self.damping, 1e-6, out=self.damping)
        self.coef, self.loss, self.gradient = there, loss, gradient
        return too_long


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


def _pair(step: Float32Array, change: Float32Array) -> Pair:
    product = inner(step, change)
    inverse = np.divide(1.0, product, out=np.zeros_like(product), where=product > 0)
    return step, change, inverse
