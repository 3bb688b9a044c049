import io
import os
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from kmeta.data import files
from kmeta.data.files import FileTree, Limits, decode, find

FILES = {"b/2.txt": b"two", "a/1.txt": b"one", "a/.DS_Store": b"x", "__MACOSX/a/1.txt": b"x"}


@pytest.mark.parametrize("name", ["tree", "tree.zip"])
def test_names_folders_and_contents(write_tree, name):
    with FileTree(write_tree({**FILES, ".git/c/x": b"", "a/deep/er/3": b"three"}, name)) as tree:
        assert tree.names == ["a/1.txt", "a/deep/er/3", "b/2.txt"]
        assert tree.folders == ["a", "a/deep", "a/deep/er", "b"]
        assert [tree.read(item) for item in tree.names] == [b"one", b"three", b"two"]


@pytest.mark.parametrize("name", ["tree", "tree.zip"])
def test_empty_folders_are_seen(write_tree, name):
    with FileTree(write_tree({**FILES, "empty/": b""}, name)) as tree:
        assert tree.folders == ["a", "b", "empty"]


def test_no_such_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such folder or zip archive: .*nothing"):
        FileTree(tmp_path / "nothing")


def test_wrong_kinds(tmp_path):
    (tmp_path / "text.zip").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"Expected a folder or a zip archive.*text\.zip"):
        FileTree(tmp_path / "text.zip")
    with pytest.raises(ValueError, match="`path` must be a path. Received: path=5"):
        FileTree(5)
    with pytest.raises(ValueError, match=r"`limits` must be Limits\(\.\.\.\). Received: limits=9"):
        FileTree(tmp_path, limits=9)


@pytest.mark.parametrize(
    "entry", ["../evil.png", "a/../../evil.png", "/etc/passwd", "..\\evil.png", "C:/evil.png"]
)
def test_entries_that_escape(write_tree, entry):
    path = write_tree({"a/1.txt": b"one"}, "bad.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, b"x")
    with pytest.raises(
        ValueError, match="must be plain files inside the archive's folder"
    ) as caught:
        FileTree(path)
    assert "evil" in str(caught.value) or "passwd" in str(caught.value)


def test_symbolic_links(write_tree):
    path = write_tree({"a/1.txt": b"one"}, "bad.zip")
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=r"must be plain files.*'a/link\.png'"):
        FileTree(path)


def test_limits_of_archives(write_tree):
    files = {"a/1": os.urandom(600), "b/2": os.urandom(700)}
    path = write_tree(files, "some.zip")
    with FileTree(path, Limits(max_file_bytes=700, max_total_bytes=1300)) as tree:
        assert tree.read("b/2") == files["b/2"]
    with pytest.raises(ValueError, match="`max_file_bytes`=699 bytes. .*'b/2' of 700 bytes"):
        FileTree(path, Limits(max_file_bytes=699))
    with pytest.raises(ValueError, match="`max_total_bytes`=1299 bytes. Received: 1300 bytes"):
        FileTree(path, Limits(max_total_bytes=1299))


def test_archives_that_expand_without_measure(write_tree, monkeypatch):
    FileTree(write_tree({"a/1": bytes(2_000_000)}, "drawing.zip"))  # too small to be dangerous
    monkeypatch.setattr(files, "SMALL", 1_000_000)
    path = write_tree({"a/1": bytes(2_000_000)}, "bomb.zip")
    with pytest.raises(ValueError, match="`max_ratio`=200 times its size. Received: 2000000 bytes"):
        FileTree(path)
    with FileTree(path, Limits(max_ratio=2000)) as tree:
        assert len(tree.read("a/1")) == 2_000_000


def test_an_archive_that_lies_about_sizes_is_read_no_further(write_tree):
    path = write_tree({"a/1": bytes(1_000_000)}, "liar.zip")
    data = path.read_bytes()
    size, lie = struct.pack("<I", 1_000_000), struct.pack("<I", 100)
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, lie))
    with (
        FileTree(path) as tree,
        pytest.raises(ValueError, match=r"Cannot read 'a/1' in .*liar\.zip"),
    ):
        tree.read("a/1")


def test_other_packings_and_encryption(write_tree, tmp_path):
    with zipfile.ZipFile(tmp_path / "xz.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a/1", b"one")
    with pytest.raises(ValueError, match="must be stored or deflated, and not encrypted.*'a/1'"):
        FileTree(tmp_path / "xz.zip")
    path = write_tree({"a/1": b"one"}, "locked.zip")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"not encrypted.*locked\.zip"):
        FileTree(path)


def test_damaged_entries_are_named(write_tree):
    path = write_tree({"a/1": os.urandom(500)}, "damaged.zip")
    data = bytearray(path.read_bytes())
    data[100] ^= 255
    path.write_bytes(data)
    with FileTree(path) as tree, pytest.raises(ValueError, match="Cannot read 'a/1' in .*damaged"):
        tree.read("a/1")


def test_decode(encode):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for form in ("PNG", "BMP"):
        np.testing.assert_array_equal(np.asarray(decode(encode(pixels, form), "x")), pixels)


def test_the_orientation_of_cameras_is_applied(encode):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown by turning clockwise by 90 degrees
    upright = np.asarray(decode(encode(pixels, exif=exif), "x"))
    np.testing.assert_array_equal(upright, np.rot90(pixels, -1))


@pytest.mark.parametrize("cut", [0, 10, 60, 600])
def test_damaged_pictures_are_named(encode, cut):
    data = encode(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="Cannot read the image a/b.png in c.zip: "):
        decode(data[:cut], "a/b.png in c.zip")


def test_pictures_with_a_wrong_byte_are_named(encode):
    data = bytearray(encode(np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)))
    data[200] ^= 255
    with pytest.raises(ValueError, match="Cannot read the image x: "):
        decode(bytes(data), "x")


def test_other_formats_are_not_opened(encode):
    with pytest.raises(ValueError, match="Cannot read the image x"):
        decode(encode(np.zeros((4, 4), np.uint8), "TIFF"), "x")


def test_pictures_with_too_many_pixels(encode):
    data = encode(np.zeros((30, 40), np.uint8))
    assert decode(data, "x", max_pixels=1200).size == (40, 30)
    with pytest.raises(
        ValueError, match="image x: it has 40 x 30 pixels, more than `max_pixels`=1199"
    ):
        decode(data, "x", max_pixels=1199)
    header = bytearray(data)
    header[16:24] = struct.pack(">II", 60000, 60000)  # a picture that only claims to be huge
    header[29:33] = struct.pack(">I", zlib.crc32(header[12:29]))
    with pytest.raises(ValueError, match="Cannot read the image x: .*(pixels|decompression bomb)"):
        decode(bytes(header), "x")


def test_find_looks_in_order(tmp_path, monkeypatch):
    own, shared = tmp_path / "own", tmp_path / "shared"
    for folder in (own / "set", shared / "set"):
        folder.mkdir(parents=True)
    monkeypatch.setenv("KMETA_DATA", str(shared))
    assert find(["half"], own, "set") == {}
    for path in (
        shared / "half.zip",
        shared / "set/half.zip",
        own / "set/half.zip",
        own / "half.zip",
    ):
        path.write_bytes(b"")
        assert find(["half", "other"], own, "set") == {"half": path}
    (own / "half").mkdir()
    assert find(["half"], own, "set") == {"half": own / "half"}
    assert find(["half"], None, "set") == {"half": shared / "set/half.zip"}
    monkeypatch.delenv("KMETA_DATA")
    assert find(["half"], None, "set") == {}


def test_find_refuses(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such folder: data_dir='.*missing'"):
        find(["half"], tmp_path / "missing", "set")
    with pytest.raises(ValueError, match="`data_dir` must be a path. Received: data_dir=3"):
        find(["half"], 3, "set")


class _Unflagged(zipfile.ZipInfo):
    """A name in UTF-8 that does not say so, as macOS writes it."""

    def _encodeFilenameFlags(self):
        return self.filename.encode("utf-8"), self.flag_bits & ~0x800


def test_names_that_other_programs_write(tmp_path):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        archive.writestr("./a/1", b"dot")
        archive.writestr("b\\2", b"backslash")
        archive.writestr(_Unflagged("größe/3"), b"utf-8")
    with FileTree(tmp_path / "odd.zip") as tree:
        assert tree.names == ["a/1", "b/2", "größe/3"]
        assert [tree.read(name) for name in tree.names] == [b"dot", b"backslash", b"utf-8"]
        assert tree.read("b/2", 4) == b"back"
        assert tree.folders == ["a", "b", "größe"]


def test_names_cannot_escape_by_other_spellings(tmp_path):
    for number, name in enumerate(("..\\a", "./../a", ".\\..\\a")):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(ValueError, match="inside the archive's folder"):
            FileTree(tmp_path / f"{number}.zip")


def _jpeg(mark_entry):
    """A JPEG of 48 x 32 with one entry in its EXIF block, and a mark to turn it."""
    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), (90, 90, 90)).save(buffer, "JPEG")
    entries = mark_entry + struct.pack(">HHIHH", 0x112, 3, 1, 6, 0)
    block = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1 + len(mark_entry) // 12) + entries + bytes(4)
    data = buffer.getvalue()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        struct.pack(">HHIf", 0x10F, 11, 1, 1.5),  # the maker as a number
        struct.pack(">HHI4s", 0x110, 7, 4, b"72dp"),
    ],
)
def test_odd_entries_of_a_camera_do_not_make_a_picture_unreadable(entry):
    assert decode(_jpeg(entry), "photo").size == (32, 48)


def test_an_archive_of_a_later_version_of_the_format(tmp_path):
    path = tmp_path / "later.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", b"x")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 109  # the version that is needed
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"Expected a folder or a zip archive.*version 10\.9"):
        FileTree(path)


class _Japanese(zipfile.ZipInfo):
    """A name in cp932 that does not say so, as Windows in Japan writes it."""

    def _encodeFilenameFlags(self):
        return self.filename.encode("cp932"), self.flag_bits & ~0x800


def test_names_in_unknown_letters_are_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(_Japanese("猫/1"), b"cat")
    with pytest.warns(UserWarning, match="does not say what letters its names are written in"):
        assert len(FileTree(tmp_path / "x.zip").names) == 1
