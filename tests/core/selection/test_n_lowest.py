import pickle

import numpy as np
import pytest

import lakewinnow.core.selection.scan
from lakewinnow.core.selection.cells import (
    NONE,
    Cells,
    count_margins,
    margin_counters,
    margins_below_zero,
)
from lakewinnow.core.selection.n_lowest import Budget, Selection, Tally
from lakewinnow.core.selection.scan import scan, selected, undecided
from lakewinnow.core.selection.scores import SCORES
from lakewinnow.core.types import Block

NARROW = Budget(counters=1, candidates=0)  # 8 bins, and no row collected: histograms to the end


@pytest.fixture(autouse=True)
def rows_are_dropped_often(monkeypatch):
    monkeypatch.setattr(lakewinnow.core.selection.scan, "SPARE_CANDIDATES", 3)


def numbers(n, _rng):
    return [f"{row:06d}" for row in range(n)]


def paths(n, _rng):
    return [f"s3://a-bucket-with-a-long-name/ünïcödé/part-{row}" for row in range(n)]


def prefixes_of_each_other(n, _rng):
    return ["a" * row for row in range(n)]


def any_characters(n, rng):
    ids = {""}
    while len(ids) < n:
        length = rng.integers(0, 20)
        ids.add("".join(rng.choice(list("a\0bé\uffff\U0001f600"), length)))
    return sorted(ids)[:n]


def long_repeats(n, rng):
    return ["x" * int(rng.integers(1, 40)) + str(row) + "y" * 20 for row in range(n)]


def letters(n, rng):
    ids = set()
    while len(ids) < n:
        ids.add("aab" + "".join(rng.choice(list("ABCDabcd"), rng.integers(1, 6))))
    return sorted(ids)


IDS = (letters, numbers, paths, prefixes_of_each_other, any_characters, long_repeats)


def any_block(rng, n, n_classes, ids=numbers):
    """Rows in any order, a third of the time with many tied scores, or nothing but ties."""
    labels = rng.integers(0, n_classes, n)
    pred_probs = rng.dirichlet(np.full(n_classes, rng.choice([0.02, 1.0])), n)
    step = rng.choice([0, 1, 0.5, 0.1])
    if step:
        pred_probs = np.round(pred_probs / step) * step
    row_ids = np.array(ids(n, rng), object)[rng.permutation(n)]
    return Block(labels, pred_probs, row_ids)


def any_cells(rng, block, n_classes):
    """Cells of all kinds, and the number of rows that belong to each."""
    counts = np.bincount(block.labels, minlength=n_classes)
    if rng.random() < 0.15:
        return Cells.of_all_rows(n_classes, "normalized_margin"), np.array([len(block.labels)])
    is_active = (rng.random((n_classes, n_classes)) < 0.7) & (counts > 0)[:, np.newaxis]
    is_active &= ~np.eye(n_classes, dtype=bool)
    given, true = np.nonzero(is_active)
    if rng.random() < 0.4:
        present = np.flatnonzero(counts)
        given = np.concatenate([given, present])
        true = np.concatenate([true, np.full(len(present), NONE)])
        order = np.argsort(given, kind="stable")
        given, true = given[order], true[order]
    return Cells(n_classes, given, true), counts[given]


def by_sorting(block, cells, needs):
    """Which rows each cell selects, shape (cells, n): sort them all."""
    own = SCORES[cells.row_score](block.labels, block.pred_probs)
    mask = np.zeros((len(cells), len(own)), bool)
    for at, (given, true) in enumerate(zip(cells.given, cells.true, strict=True)):
        rows = np.flatnonzero((block.labels == given) | (given < 0))
        score = own - (block.pred_probs[:, true] if true != NONE else 0)
        lowest = sorted(rows, key=lambda row: (score[row], block.row_ids[row].encode()))
        mask[at, lowest[: needs[at]]] = True
    return mask


def passes(plan, tallies_of):
    """Make all passes; the plan travels to each of them."""
    n_passes = 0
    while not plan.done:
        plan = pickle.loads(pickle.dumps(plan))  # noqa: S301
        tallies = tallies_of(plan)
        assert sum(len(tally.rows) for tally in tallies) <= most_rows(plan)
        plan, n_passes = plan.refine(Tally.merge(tallies)), n_passes + 1
        assert n_passes < 1000
    return pickle.loads(pickle.dumps(plan.cuts)), n_passes  # noqa: S301


def most_rows(plan):
    bounds_of_ids = 2 * np.count_nonzero(~plan.collects) * 10  # of up to 10 tallies
    return plan.budget.candidates + bounds_of_ids


def scans_of_parts(block, rng, n_parts):
    parts = np.array_split(rng.permutation(len(block.labels)), n_parts)

    def tallies_of(plan):
        halves = ([block.take(half) for half in np.array_split(part, 2)] for part in parts)
        return [scan(plan, blocks) for blocks in halves]

    return tallies_of


def test_margins_have_as_many_counters_as_memory_allows():
    assert margin_counters(2).shape == (2, 2, 2048)
    assert margin_counters(100).shape == (100, 100, 256)
    assert margin_counters(724).shape == (724, 724, 8)
    assert margin_counters(725) is None


@pytest.mark.parametrize("ids", IDS, ids=lambda ids: ids.__name__)
@pytest.mark.parametrize("seed", range(24))
def test_each_cell_selects_the_rows_that_sorting_would(seed, ids):
    rng = np.random.default_rng([seed, IDS.index(ids)])
    n_classes = int(rng.integers(2, 6))
    block = any_block(rng, int(rng.integers(5, 120)), n_classes, ids)
    cells, populations = any_cells(rng, block, n_classes)
    needs = 1 + (rng.random(len(cells)) ** 2 * populations).astype(np.int64)
    n_parts = int(rng.integers(1, 6))
    plan = Selection.start(
        cells,
        needs,
        populations,
        budget=Budget(int(rng.choice([1, 64, 4096])), int(rng.choice([0, 5, 50, 1000]))),
        n_tallies=n_parts if rng.random() < 0.5 else None,
    )
    if rng.random() < 0.5:
        counters = np.zeros((n_classes, n_classes, rng.choice([8, 64])), np.int64)
        for part in np.array_split(rng.permutation(len(block.labels)), n_parts):
            count_margins(counters, margins_below_zero(block.take(part)))
        plan = plan.narrowed_by(counters)
    for _ in range(rng.integers(0, 3)):
        if not plan.done:
            plan = plan.refine(Tally.merge(scans_of_parts(block, rng, n_parts)(plan)))

    cuts, _ = passes(plan, scans_of_parts(block, rng, n_parts))
    expected = by_sorting(block, cells, needs)
    for at in range(len(cells)):
        of_one = cuts.take(np.arange(len(cells)) == at)
        np.testing.assert_array_equal(selected(block, of_one), expected[at])

    is_open = undecided(plan)(block)  # all that the next passes have to see; the others are settled
    held = block.take(np.flatnonzero(is_open))
    of_held, _ = passes(plan, scans_of_parts(held, rng, n_parts))
    np.testing.assert_array_equal(of_held.score, cuts.score)
    assert of_held.row_id == cuts.row_id
    sure = selected(block, plan.sure_cuts)
    np.testing.assert_array_equal(sure[~is_open], expected.any(axis=0)[~is_open])


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_margins_below_zero_are_all_that_a_selection_below_zero_takes(seed, share):
    rng = np.random.default_rng([seed, 5])
    n_classes = int(rng.integers(2, 6))
    block = any_block(rng, 150, n_classes)
    cells, populations = any_cells(rng, block, n_classes)
    own = block.pred_probs[np.arange(150), block.labels]
    is_cell = cells.true != NONE
    below = [
        np.count_nonzero((block.labels == given) & (own < block.pred_probs[:, true]))
        for given, true in zip(cells.given[is_cell], cells.true[is_cell], strict=True)
    ]
    needs = np.ceil(share * np.array(below)).astype(np.int64)
    some = needs > 0
    cells, populations = cells.take(np.flatnonzero(is_cell)[some]), populations[is_cell][some]
    counters = np.zeros((n_classes, n_classes, 64), np.int64)
    margins = [margins_below_zero(block.take(part)) for part in np.array_split(range(150), 4)]
    for each in margins:
        count_margins(counters, each)
    plan = Selection.start(cells, needs[some], populations, budget=NARROW).narrowed_by(counters)
    is_below = (populations > needs[some]).all()
    assert plan.looks_below_zero == is_below
    if is_below:
        expected, _ = passes(plan, lambda plan: [scan(plan, [block])])
        cuts, _ = passes(plan, lambda plan: [scan(plan, margins[:1]), scan(plan, margins[1:])])
        np.testing.assert_array_equal(cuts.score, expected.score)
        assert cuts.row_id == expected.row_id
        flags = np.concatenate([selected(each, cuts) for each in margins])
        np.testing.assert_array_equal(flags, selected(block, cuts))


@pytest.mark.parametrize("budget", [Budget(), Budget(2**10, 300), NARROW], ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_any_split_in_any_order_gives_the_same_cuts(budget, ties):
    rng = np.random.default_rng(7)
    n, n_classes = 3000, 4
    block = Block(
        rng.integers(0, n_classes, n),
        rng.dirichlet(np.ones(n_classes), n).round(1 if ties else 17),
        np.array(paths(n, rng), object),
    )
    counts = np.bincount(block.labels)
    given, true = np.nonzero(~np.eye(n_classes, dtype=bool))
    cells, needs = Cells(n_classes, given, true), counts[given] // 7
    plan = Selection.start(cells, needs, counts[given], budget=budget)
    whole, _ = passes(plan, lambda plan: [scan(plan, [block])])
    for n_parts in (2, 9):
        cuts, _ = passes(plan, scans_of_parts(block, rng, n_parts))
        np.testing.assert_array_equal(cuts.score, whole.score)
        assert cuts.row_id == whole.row_id


def n_passes_over(n, budget, n_tallies=None):
    rng = np.random.default_rng(0)
    block = Block(
        rng.integers(0, 3, n), rng.dirichlet(np.ones(3), n), np.array(numbers(n, rng), object)
    )
    counts = np.bincount(block.labels)
    given, true = np.nonzero(~np.eye(3, dtype=bool))
    cells, needs = Cells(3, given, true), counts[given] // 20
    plan = Selection.start(cells, needs, counts[given], budget=budget, n_tallies=n_tallies)
    _, n_passes = passes(plan, lambda plan: [scan(plan, [block])])
    return n_passes


def test_small_data_need_one_pass():
    assert n_passes_over(10_000, Budget(candidates=20_000)) == 1


def test_larger_data_need_two():
    assert n_passes_over(30_000, Budget(candidates=5_000)) == 2


def test_larger_data_in_few_tallies_need_one():
    assert n_passes_over(30_000, Budget(candidates=5_000), n_tallies=1) == 1


def test_a_bin_that_is_taken_whole_needs_no_further_pass():
    rows = np.repeat([[0.3, 0.7], [0.7, 0.3]], 50, axis=0)
    block = Block(np.zeros(100, np.int64), rows, numbers(100, None))
    cells = Cells(2, np.array([0]), np.array([1]))
    plan = Selection.start(cells, np.array([50]), np.array([100]), budget=NARROW)
    cuts, n_passes = passes(plan, lambda plan: [scan(plan, [block])])
    assert n_passes == 1
    np.testing.assert_array_equal(selected(block, cuts), [True] * 50 + [False] * 50)


@pytest.mark.parametrize("first", [[""], ["a", "b"]], ids=["alike", "in two groups"])
def test_bytes_that_ids_have_in_common_are_skipped(first):
    row_ids = [f"{group * 7}{'deep/' * 60}{row:05d}" for group in first for row in range(2000)]
    n = len(row_ids)
    block = Block(np.zeros(n, np.int64), np.tile([0.5, 0.5], (n, 1)), row_ids)
    cells = Cells(2, np.array([0]), np.array([1]))
    plan = Selection.start(cells, np.array([1234]), np.array([n]), budget=Budget(candidates=100))
    cuts, n_passes = passes(plan, lambda plan: [scan(plan, [block])])
    assert cuts.row_id == {0: row_ids[1233]}
    assert n_passes < 20  # chunk by chunk it would take 43 passes


def test_rows_of_one_id_are_selected_together():
    block = Block(np.zeros(9, np.int64), np.tile([0.5, 0.5], (9, 1)), ["a", *["b"] * 7, "c"])
    cells = Cells(2, np.array([0]), np.array([1]))
    plan = Selection.start(cells, np.array([3]), np.array([9]), budget=NARROW)
    cuts, _ = passes(plan, lambda plan: [scan(plan, [block])])
    assert selected(block, cuts).tolist() == [True] * 8 + [False]


def test_a_cell_with_fewer_rows_than_said_is_taken_whole():
    block = Block(np.zeros(3, np.int64), np.eye(2)[[0, 1, 1]], ["a", "b", "c"])
    cells = Cells(2, np.array([0]), np.array([1]))
    for budget in (Budget(), NARROW):
        plan = Selection.start(cells, np.array([5]), np.array([9]), budget=budget)
        cuts, _ = passes(plan, lambda plan: [scan(plan, [block])])
        assert selected(block, cuts).all()


def test_no_cells_need_no_pass_and_select_nothing():
    none = np.zeros(0, np.int64)
    plan = Selection.start(Cells(2, none, none), none, none)
    assert plan.done
    block = Block(np.zeros(3, np.int64), np.eye(2)[[0, 1, 1]], ["a", "b", "c"])
    assert not selected(block, plan.cuts).any()


def test_the_state_of_a_pass_is_bounded():
    n_classes = 1000
    given, true = np.nonzero(~np.eye(n_classes, dtype=bool))
    populations = np.full(len(given), 10**7)
    plan = Selection.start(Cells(n_classes, given, true), populations // 50, populations)
    assert not plan.collects.any()
    assert len(given) << plan.bin_bits <= 2**23
    assert len(pickle.dumps(plan)) <= 100 * len(given)
