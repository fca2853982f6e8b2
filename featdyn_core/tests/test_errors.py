"""Several errors become one, of a kind that differs from that of missing items."""

from featdyn_core.errors import AbsentDataError, DamagedTrajectoryError, MissingTrajectoryError, together


def test_one_error_stays_as_it_is():
    error = MissingTrajectoryError("a is missing")
    assert together([error]) is error


def test_each_message_of_several_is_reported_once():
    found = together([MissingTrajectoryError("a"), MissingTrajectoryError("b"), MissingTrajectoryError("a")])
    assert (type(found), str(found)) == (MissingTrajectoryError, "a; b")


def test_what_is_more_than_absent_gives_the_kind():
    errors = [AbsentDataError("a"), DamagedTrajectoryError("b"), MissingTrajectoryError("c")]
    found = together(errors)
    assert (type(found), str(found)) == (DamagedTrajectoryError, "a; b; c")
