"""Ctrl-C, at any moment of `kmeta fit`, leaves nothing half done."""

import signal

import pytest

from kmeta.cli.main import main

MOMENTS = [
    "data.directory.decode",
    "few_shot.left_out.estimate",
    "exporting.warmup.save",  # the SavedModel is written
    "exporting.parity.measure",  # and all ONNX files
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_nothing_half_done(moment, pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(f"kmeta.{moment}", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    given = ["fit", str(pictures), "--backbone", "prototypical-omniglot"]
    assert main([*given, "--out", str(tmp_path / "bundle")]) == 130
    assert capsys.readouterr() == ("", "kmeta fit: interrupted\n")
    assert list(tmp_path.iterdir()) == []
