"""Blocks of rows: complete, in order, and the same sums on any number of threads."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from reweigh.optimization.row_blocks import BLOCK_ROWS, block_ranges, map_blocks


@pytest.mark.parametrize("n", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 5 * BLOCK_ROWS + 7])
def test_blocks_cover_every_row_once_in_order(n):
    covered = np.concatenate([np.arange(n)[block] for block in block_ranges(n)] or [np.arange(0)])
    np.testing.assert_array_equal(covered, np.arange(n))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_block_order_on_any_number_of_threads(threads):
    with threadpool_limits(threads, user_api="blas"):
        starts = list(map_blocks(lambda block: block.start, 20 * BLOCK_ROWS))
    assert starts == [i * BLOCK_ROWS for i in range(20)]


def test_an_error_in_a_block_reaches_the_caller():
    def work(block):
        if block.start > 3 * BLOCK_ROWS:
            raise ValueError("block")
        return 0

    with threadpool_limits(2, user_api="blas"), pytest.raises(ValueError, match="block"):
        list(map_blocks(work, 9 * BLOCK_ROWS))
