"""The one table of flags: whole, unambiguous, and the same in names as in bits."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.flags import (
    FLAG_RULES,
    Flag,
    FlagRule,
    bits_to_flags,
    flags_to_bits,
    mask_barred_from,
)

USES = [f.name for f in dataclasses.fields(FlagRule) if f.type == "bool" or f.type is bool]


def test_every_flag_has_one_rule() -> None:
    assert sorted(rule.flag for rule in FLAG_RULES) == sorted(Flag)


def test_bits_are_unique_and_fit_an_integer() -> None:
    bits = [rule.bit for rule in FLAG_RULES]
    assert len(set(bits)) == len(bits)
    assert all(0 <= bit < 31 for bit in bits)


def test_every_rule_says_what_it_means() -> None:
    assert all(rule.meaning for rule in FLAG_RULES)


@given(st.sets(st.sampled_from(Flag)))
def test_flags_round_trip_through_bits(flags: set[Flag]) -> None:
    assert set(bits_to_flags(flags_to_bits(flags))) == flags


def test_repeated_flag_sets_its_bit_once() -> None:
    assert flags_to_bits([Flag.DARK, Flag.DARK]) == flags_to_bits([Flag.DARK])


def test_unknown_bit_is_refused() -> None:
    with pytest.raises(ValueError, match="0x40000000"):
        bits_to_flags(1 << 30)


@pytest.mark.parametrize("use", USES)
def test_mask_holds_exactly_the_flags_barred_from_a_use(use: str) -> None:
    barred = {rule.flag for rule in FLAG_RULES if not getattr(rule, use)}
    assert set(bits_to_flags(mask_barred_from(use))) == barred


def test_uses_are_the_designs_four() -> None:
    assert USES == ["rollup", "kpi", "evaluation", "export"]


@pytest.mark.parametrize("flag", [Flag.CLOCK_UNSYNCED, Flag.MAINTENANCE])
def test_untimed_and_disturbed_records_enter_no_derived_number(flag: Flag) -> None:
    for use in ("rollup", "kpi", "evaluation"):
        assert mask_barred_from(use) & flags_to_bits([flag])


def test_export_leaves_nothing_out() -> None:
    assert mask_barred_from("export") == 0


@pytest.mark.parametrize(("broad", "narrow"), [("rollup", "kpi"), ("kpi", "evaluation")])
def test_what_a_broad_use_bars_a_narrow_one_bars_too(broad: str, narrow: str) -> None:
    assert mask_barred_from(broad) & ~mask_barred_from(narrow) == 0
