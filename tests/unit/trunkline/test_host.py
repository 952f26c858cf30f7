from __future__ import annotations

import subprocess
import sys

import pytest

from trunkline.errors import BadOption
from trunkline.host import SERVICES, load_service


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_can_be_hosted_under_its_name(name: str) -> None:
    assert load_service(name).name == name


def test_an_unknown_service_is_named_with_those_that_there_are() -> None:
    with pytest.raises(BadOption, match=r"no service 'ftp'.*gateway"):
        load_service("ftp")


@pytest.mark.parametrize(("names", "said"), [([], "no service was named"), (["ftp"], "no service 'ftp'")])
def test_as_a_program_it_says_so_in_one_line(names: list[str], said: str) -> None:
    command = [sys.executable, "-m", "trunkline.host", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
