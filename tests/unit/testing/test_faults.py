from __future__ import annotations

from vedette.testing.faults import Fault, FaultKind, Faults


def test_a_fault_strikes_only_where_its_path_matches() -> None:
    faults = Faults()
    fault = Fault(FaultKind.CUT, path="restSearch$")
    faults.add(fault)
    assert faults.strike("/events/index") is None
    assert faults.strike("/events/restSearch") is fault


def test_a_fault_lets_some_pass_and_is_over_after_some() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.CLOSE, skip=1, times=2))
    assert [faults.strike("/") is not None for _ in range(4)] == [False, True, True, False]


def test_faults_strike_in_the_order_they_were_added() -> None:
    faults = Faults()
    first, second = Fault(FaultKind.CUT, times=1), Fault(FaultKind.SLOW, times=1)
    faults.add(first)
    faults.add(second)
    assert [faults.strike("/"), faults.strike("/"), faults.strike("/")] == [first, second, None]


def test_everything_goes_well_after_clearing() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.CLOSE))
    faults.clear()
    assert faults.strike("/") is None
