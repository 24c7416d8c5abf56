"""Blobs and people: fragments joined, groups parted."""

import numpy as np
import pytest

from edge.sensors.footfall.vision.blobs import Blob, Rectangle, people_in


def block(left: int, top: int, right: int, bottom: int) -> Blob:
    mask = np.ones((bottom - top, right - left), bool)
    return Blob((left, top, right, bottom), mask.size, mask)


def test_one_walker_is_one_person() -> None:
    assert people_in([block(10, 10, 24, 50)], []) == [(10, 10, 24, 50)]


def test_head_and_legs_are_one_person() -> None:
    assert people_in([block(12, 10, 22, 30), block(10, 34, 24, 50)], []) == [(10, 10, 24, 50)]


def test_specks_are_nobody() -> None:
    assert people_in([block(10, 10, 13, 13), block(40, 40, 60, 48)], []) == []


def test_two_awaited_people_in_one_blob_stay_two() -> None:
    awaited: list[Rectangle] = [(10, 12, 26, 52), (30, 12, 46, 52)]
    people = people_in([block(12, 12, 48, 52)], awaited)
    assert people == [(12, 12, 28, 52), (32, 12, 48, 52)]


def test_neighbours_are_not_joined_without_reason() -> None:
    assert len(people_in([block(10, 10, 24, 50), block(30, 10, 44, 50)], [])) == 2


@pytest.mark.parametrize(("width", "count"), [(14, 1), (26, 1), (40, 2), (64, 3)])
def test_a_wide_blob_is_several_people(width: int, count: int) -> None:
    assert len(people_in([block(0, 10, width, 50)], [])) == count


def test_the_halves_of_a_wide_blob_stand_on_their_own_feet() -> None:
    blob = block(0, 10, 40, 50)
    blob.mask[30:, 20:] = False
    left, right = people_in([blob], [])
    assert (left[3], right[3]) == (50, 40)
