"""The rule of what a class may be called, which every entrance of kmeta and devices asks."""

import pytest
from kmeta_edge import names


@pytest.mark.parametrize("name", ["ant", "dög", "two words", "蟻", "unknown", " ", "a\u200d🐜"])
def test_names(name):
    names.check("name", name)


@pytest.mark.parametrize("name", ["", "two\nlines", "a\tb", "nul\0", "\x85", "\ud800", 3, None])
def test_no_names(name):
    for unknown, text in ((None, "must be a text not empty"), ("other", "than 'other', not empty")):
        with pytest.raises(ValueError, match=f"`it`: .*{text}, without control .*Received: ") as e:
            names.check("it", name, unknown)
        assert str(e.value).endswith(repr(name))


def test_a_reserved_or_known_name_is_no_new_one():
    names.check_new("cat", ["ant", "bee"], "unknown")
    with pytest.raises(ValueError, match="other than 'unknown'"):
        names.check_new("unknown", ["ant", "bee"], "unknown")
    with pytest.raises(ValueError, match="`name` must be a new class. Received: 'ant', a known"):
        names.check_new("ant", ["ant", "bee"], "unknown")


def test_names_together():
    names.check_all("class_names", ["ant", "unknown"])
    for wrong, text in (
        (["ant"], "two different names or more"),
        (["ant", "bee", "ant"], "two different names or more"),
        (["ant", "b\n"], "without control characters"),
    ):
        with pytest.raises(ValueError, match=f"`class_names`.* {text}"):
            names.check_all("class_names", wrong)
    with pytest.raises(ValueError, match="`class_names`: .*than 'unknown'"):
        names.check_all("class_names", ["ant", "unknown"], "unknown")
