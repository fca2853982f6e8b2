"""Arithmetic settings, the caller's modes of torch, threads, and the dropout seed."""

import itertools
import threading
import warnings

import pytest
import torch

from featdyn_core.numerics import exact_arithmetic, exactly, forward_mode, one_thread, seeded_dropout, undisturbed

CPU, GPU = torch.device("cpu"), torch.device("cuda")

SETTINGS = {
    "matmul": torch.backends.cuda.matmul,
    "conv": torch.backends.cudnn.conv,
    "rnn": torch.backends.cudnn.rnn,
    "cpu matmul": torch.backends.mkldnn.matmul,
    "cpu conv": torch.backends.mkldnn.conv,
}


def settings():
    """Return the settings; the older interface's is "contradicted" if reading it raises."""
    older = {
        "older matmul": torch.get_float32_matmul_precision,
        "older cuda.matmul": lambda: torch.backends.cuda.matmul.allow_tf32,
        "older cudnn": lambda: torch.backends.cudnn.allow_tf32,
    }
    found = {name: setting.fp32_precision for name, setting in SETTINGS.items()}
    for name, read in older.items():
        try:
            found[name] = read()
        except RuntimeError:
            found[name] = "contradicted"
    found["deterministic"], found["benchmark"] = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    return found


def exact(tf32):
    on_gpu = "tf32" if tf32 else "ieee"
    return {
        "matmul": on_gpu,
        "conv": on_gpu,
        "rnn": on_gpu,
        "cpu matmul": "ieee",
        "cpu conv": "ieee",
        "older matmul": "high" if tf32 else "highest",
        "older cuda.matmul": tf32,
        "older cudnn": tf32,
        "deterministic": True,
        "benchmark": False,
    }


def told(matmul, cudnn):
    """Set the older interface, which also sets the newer one."""
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = cudnn


@pytest.fixture(autouse=True)
def _as_they_were():
    before = {name: setting.fp32_precision for name, setting in SETTINGS.items()}
    yield
    told("highest", True)
    for name, value in before.items():
        SETTINGS[name].fp32_precision = value


@pytest.mark.parametrize("tf32", [False, True])
def test_arithmetic_is_exact_for_a_time(tf32):
    before = settings()
    with exact_arithmetic(tf32=tf32):
        assert settings() == exact(tf32)
    assert settings() == before


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("matmul", ["highest", "high", "medium"])
@pytest.mark.parametrize("cudnn", [False, True])
def test_both_interfaces_to_the_precision_are_set_and_put_back(tf32, matmul, cudnn):
    newer = itertools.product(["none", "ieee", "tf32"], repeat=3)
    told(matmul, cudnn)
    as_told = {name: setting.fp32_precision for name, setting in SETTINGS.items()}
    changes = [dict(zip(("matmul", "conv", "rnn"), values, strict=True)) for values in newer]
    changes += [{"cpu matmul": a, "cpu conv": b} for a in ("none", "ieee", "bf16", "tf32") for b in ("none", "bf16")]
    for change in ({}, *changes):
        told(matmul, cudnn)
        for name, value in (as_told | change).items():
            SETTINGS[name].fp32_precision = value
        before = settings()
        with exact_arithmetic(tf32=tf32):
            assert settings() == exact(tf32)
        assert settings() == before
        for name in SETTINGS:  # what the older interface was told can be read where the newer one agrees with it
            SETTINGS[name].fp32_precision = "tf32" if name in ("conv", "rnn") and cudnn else "ieee"
        assert settings()["older matmul"] == matmul
        assert settings()["older cudnn"] == cudnn


def test_precision_set_for_everything_is_not_inherited():
    torch.backends.fp32_precision = "tf32"
    try:
        with exact_arithmetic():
            assert settings() == exact(tf32=False)
    finally:
        torch.backends.fp32_precision = "none"


@pytest.mark.parametrize("tf32", [False, True])
def test_nesting_goes_back_to_the_outer_arithmetic(tf32):
    with exact_arithmetic(tf32=tf32):
        with exact_arithmetic(tf32=not tf32):
            assert settings() == exact(not tf32)
        assert settings() == exact(tf32)


def test_an_error_gives_the_settings_back():
    before = settings()
    with pytest.raises(ZeroDivisionError), exact_arithmetic():
        1 / 0  # noqa: B018
    assert settings() == before


# Modes of torch


def modes():
    return {
        "inference": torch.is_inference_mode_enabled(),
        "gradients": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device().type,
    }


FRESH = {"inference": False, "gradients": True, "autocast": False, "dtype": torch.float32, "device": "cpu"}


@pytest.fixture
def disturbed():
    """Enter all modes that a caller may use."""
    torch.set_default_dtype(torch.float64)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("disturbed")
def test_modes_are_those_of_a_fresh_process_for_a_time():
    before = modes()
    assert not any(before[name] == FRESH[name] for name in FRESH)
    with undisturbed():
        assert modes() == FRESH
        assert torch.ones(2).requires_grad_().sum().requires_grad
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            assert modes() == FRESH | {"gradients": False, "autocast": True}
    assert modes() == before


@pytest.mark.usefixtures("disturbed")
def test_an_error_gives_the_modes_back():
    before = modes()
    with pytest.raises(ZeroDivisionError), undisturbed():
        1 / 0  # noqa: B018
    assert modes() == before


@pytest.mark.usefixtures("disturbed")
def test_a_function_runs_exactly_each_time_it_is_called():
    found = []

    @exactly
    def function(argument, *, option):
        """Note the modes."""
        found.append((modes(), settings(), argument, option))

    for _ in range(2):
        function(1, option=2)
    assert found == [(FRESH, exact(tf32=False), 1, 2)] * 2
    assert (function.__name__, function.__doc__) == ("function", "Note the modes.")


def test_dropout_is_seeded_and_the_global_generator_put_back():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded_dropout(7, CPU):
        first = torch.nn.functional.dropout(torch.ones(50))
    with seeded_dropout(7, CPU):
        again = torch.nn.functional.dropout(torch.ones(50))
    with seeded_dropout(8, CPU):
        other = torch.nn.functional.dropout(torch.ones(50))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("category", [FutureWarning, DeprecationWarning, UserWarning])
def test_forward_mode_is_spared_torchs_warning_of_itself(category):
    """Its category differs between versions."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with forward_mode():
            warnings.warn("`torch.jit.script` is deprecated", category, stacklevel=1)
        with pytest.raises(category, match="something else"), forward_mode():
            warnings.warn("something else", category, stacklevel=1)


def test_one_thread_is_of_the_cpu_and_put_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


TURNS = {
    "undisturbed": undisturbed,
    "one_thread": one_thread,
    "exact_arithmetic": exact_arithmetic,
    "seeded_dropout": lambda: seeded_dropout(7, CPU),
}


@pytest.mark.parametrize("second", TURNS)
@pytest.mark.parametrize("first", TURNS)
def test_threads_take_turns_in_what_is_the_processs(first, second):
    entered = threading.Event()

    def enter() -> None:
        with TURNS[second]():
            entered.set()

    other = threading.Thread(target=enter)
    with TURNS[first](), TURNS[first]():  # twice: a thread does not wait for itself
        other.start()
        assert not entered.wait(0.1)
    assert entered.wait(60)
    other.join()
