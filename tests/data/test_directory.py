import warnings

import numpy as np
import pytest
from PIL import Image

from kmeta.data import Episodes, Limits, from_directory

pytestmark = pytest.mark.filterwarnings("ignore:Passed over, as no pictures. .*README.md")


def picture(value, height=6, width=6, channels=3):
    noise = np.random.default_rng(value).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return noise if channels == 3 else noise[..., 0]


@pytest.fixture
def fruit(encode):
    """Files of three classes of 3, 2 and 4 colour pictures, with other things among them."""
    files = {"README.md": b"about", "pear/Thumbs.db": b"x", "pear/.hidden.png": b"x"}
    counts = {"pear": 3, "apple": 2, "fig": 4}
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            files[f"{name}/{i}.png"] = encode(picture(10 * label + i))
    return {**files, "__MACOSX/pear/._0.png": b"x"}


@pytest.mark.parametrize("name", ["fruit", "fruit.zip"])
def test_folders_and_archives(write_tree, fruit, name):
    data = from_directory(write_tree(fruit, name))
    assert data.class_names == ("apple", "fig", "pear")
    assert data.counts.tolist() == [2, 4, 3]
    assert data.name == "fruit"
    expected = [picture(v) for v in (10, 11, 20, 21, 22, 23, 0, 1, 2)]
    np.testing.assert_array_equal(data.images, np.stack(expected))
    assert from_directory(write_tree(fruit, name), name="mine").name == "mine"


def test_an_archive_may_hold_everything_in_one_folder(write_tree, fruit):
    packed = {f"fruit-1.2/{name}": data for name, data in fruit.items()}
    data = from_directory(write_tree(packed, "fruit.zip"))
    flat = from_directory(write_tree(fruit, "flat.zip"))
    assert data.sha256 == flat.sha256


def test_pictures_may_lie_deeper_and_in_any_case(write_tree, fruit, encode):
    fruit["fig/more/5.PNG"] = encode(picture(99))
    data = from_directory(write_tree(fruit))
    assert data.counts.tolist() == [2, 5, 3]
    np.testing.assert_array_equal(data.images[data.indices_of(1)[-1]], picture(99))


@pytest.mark.parametrize(
    ("form", "suffix", "options"),
    [
        ("JPEG", "jpg", {"quality": 100, "subsampling": 0}),
        ("JPEG", "jpeg", {"quality": 100, "subsampling": 0}),
        ("BMP", "bmp", {}),
        ("WEBP", "webp", {"lossless": True}),
        ("GIF", "gif", {}),
    ],
)
def test_formats(write_tree, encode, form, suffix, options):
    smooth = np.mgrid[0:60:12, 0:70:10, 0:3].sum(axis=0).astype(np.uint8)
    if form == "GIF":
        smooth = smooth[..., 0]
    files = {f"{name}/1.{suffix}": encode(smooth, form, **options) for name in "ab"}
    images = from_directory(write_tree(files), channels=3).images.astype(int)
    expected = np.broadcast_to(smooth.reshape(5, 7, -1), (5, 7, 3))
    assert np.abs(images - expected).max() <= (3 if form == "JPEG" else 0)


def test_size_resizes_everything(write_tree, fruit, encode):
    fruit["fig/wide.png"] = encode(np.full((10, 30, 3), 77, np.uint8))
    path = write_tree(fruit)
    assert from_directory(path, size=8).images.shape == (10, 8, 8, 3)
    data = from_directory(path, size=(4, 9))
    assert data.images.shape == (10, 4, 9, 3)
    assert (data.images == 77).all(axis=(1, 2, 3)).sum() == 1


def test_channels(write_tree, fruit, encode):
    path = write_tree(fruit)
    assert from_directory(path, channels=1).images.shape[-1] == 1
    luma = np.asarray(Image.fromarray(picture(10)).convert("L"))
    np.testing.assert_array_equal(from_directory(path, channels=1).images[0, ..., 0], luma)
    grey = {f"{name}/1.png": encode(picture(1, channels=1)) for name in "ab"}
    assert from_directory(write_tree(grey, "grey")).images.shape[-1] == 1
    assert from_directory(write_tree(grey, "grey"), channels=3).images.shape[-1] == 3
    grey["b/2.png"] = encode(picture(2))
    assert from_directory(write_tree(grey, "mixed")).images.shape[-1] == 3


def test_the_first_frame_of_animations_is_taken(write_tree, encode):
    frames = [Image.new("L", (4, 4), shade) for shade in (40, 200)]
    moving = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    data = from_directory(write_tree({"a/1.gif": moving, "b/1.gif": moving}), channels=1)
    assert np.unique(data.images).tolist() == [40]


def test_episodes_of_a_folder(write_tree, fruit):
    (support, _), query_y = Episodes(from_directory(write_tree(fruit)), way=3, query=1)[0]
    assert support.x.shape == (1, 3, 6, 6, 3)
    assert sorted(query_y[0]) == [0, 1, 2]


def test_unreadable_pictures_are_named(write_tree, fruit):
    fruit["fig/bad.jpg"] = b"no picture"
    for name in ("fruit", "fruit.zip"):
        with pytest.raises(ValueError, match=rf"Cannot read the image fig/bad\.jpg in .*{name}"):
            from_directory(write_tree(fruit, name))


def test_unreadable_pictures_can_be_left_out_with_a_warning(write_tree, fruit):
    path = write_tree(fruit, "good")
    fruit |= {"fig/bad.jpg": b"no picture", "pear/scan.tiff": b"other"}
    with pytest.warns(UserWarning, match=r"Left out 2 pictures: .*fig/bad\.jpg.*pear/scan\.tiff"):
        data = from_directory(write_tree(fruit), skip_unreadable=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Passed over, as no pictures: README.md")
        assert from_directory(path, skip_unreadable=True).sha256 == data.sha256


def test_pictures_in_other_formats_are_not_passed_over(write_tree, fruit):
    fruit["fig/photo.heic"] = b"other"
    with pytest.raises(ValueError, match=r"Cannot read the image fig/photo\.heic"):
        from_directory(write_tree(fruit))


def test_limits(write_tree, fruit, encode):
    fruit["fig/large.png"] = encode(picture(0, 40, 50))
    path = write_tree(fruit)
    with pytest.raises(ValueError, match=r"fig/large\.png .*40.*`max_pixels`=1999"):
        from_directory(path, size=6, limits=Limits(max_pixels=1999))
    from_directory(path, size=6, limits=Limits(max_pixels=2000))
    with pytest.raises(ValueError, match="`max_file_bytes`=100 bytes"):
        from_directory(write_tree(fruit, "f.zip"), size=6, limits=Limits(max_file_bytes=100))


def test_refuses_paths(tmp_path, write_tree, encode):
    with pytest.raises(FileNotFoundError, match="No such folder or zip archive: .*missing"):
        from_directory(tmp_path / "missing")
    flat = write_tree({"1/1.txt": b"", "2/2.txt": b""}, "flat")
    with pytest.raises(
        ValueError, match="two classes, with pictures. Received: none, nothing in 1/, 2/, in .*flat"
    ):
        from_directory(flat)
    one = write_tree({"rose/1.png": encode(picture(0))}, "one")
    with pytest.raises(
        ValueError, match="at least two classes, with pictures. Received: only 'rose'"
    ):
        from_directory(one)
    assert from_directory(write_tree({f"o/{c}/1.png": encode(picture(0)) for c in "ab"}, "two.zip"))


@pytest.mark.parametrize("name", ["fruit", "fruit.zip"])
def test_classes_without_pictures_are_passed_over_and_pictures_without_class_refused(
    write_tree, fruit, encode, name
):
    expected = from_directory(write_tree(fruit, f"0{name}")).sha256
    odd = {"plum/": b"", "kiwi/notes.txt": b"", "fig/notes.md": b"notes"}
    passed = r"README\.md, fig/notes\.md, kiwi/notes\.txt, kiwi/, plum/"
    with pytest.warns(UserWarning, match=f"Passed over, as no pictures: {passed}"):
        assert from_directory(write_tree({**fruit, **odd}, f"1{name}")).sha256 == expected
    with pytest.raises(
        ValueError, match=r"in the sub-folder of their class. Received: 'stray\.png'"
    ):
        from_directory(write_tree({**fruit, "stray.png": encode(picture(0))}, f"3{name}"))


def test_refuses_different_sizes(write_tree, fruit, encode):
    fruit["fig/wide.png"] = encode(picture(0, 6, 9))
    with pytest.raises(ValueError, match=r"pass `size`.* \(6, 6\) of .* \(6, 9\) of fig/wide\.png"):
        from_directory(write_tree(fruit))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": -3}, "`size` must be a positive integer.*size=-3"),
        ({"channels": 4}, r"`channels` must be one of \[None, 1, 3\].*channels=4"),
        ({"skip_unreadable": "no"}, "`skip_unreadable` must be True or False"),
        ({"limits": 5}, "`limits` must be Limits"),
        ({"name": 5}, "`name` must be a string"),
    ],
)
def test_refuses_options(write_tree, fruit, options, message):
    with pytest.raises(ValueError, match=message):
        from_directory(write_tree(fruit), **options)


def test_linked_folders_are_classes_and_circles_end(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "real" / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "real" / name / "1.png")
        (tmp_path / "linked").mkdir(exist_ok=True)
        (tmp_path / "linked" / name).symlink_to(tmp_path / "real" / name)
    (tmp_path / "real" / "a" / "again").symlink_to(tmp_path / "real" / "a")
    found = from_directory(tmp_path / "linked", size=4)
    assert list(found.class_names) == ["a", "b"]
    assert list(found.counts) == [1, 1]


def test_pictures_are_known_by_their_content(write_tree, fruit, encode):
    expected = from_directory(write_tree(fruit, "plain"))
    renamed = {}
    for number, (name, data) in enumerate(fruit.items()):
        ending = (".jfif", "", ".photo", ".png")[number % 4]
        renamed[name.removesuffix(".png") + ending if name.endswith(".png") else name] = data
    assert from_directory(write_tree(renamed, "renamed")).counts.tolist() == [2, 4, 3]
    assert from_directory(write_tree(renamed, "renamed.zip")).sha256 == expected.sha256
    renamed["pear/photo"] = b"\0\0\0\x18ftypheic" + bytes(20)
    with pytest.raises(ValueError, match=r"pear/photo in .*HEIC needs pillow-heif: pip install"):
        from_directory(write_tree(renamed, "heic"))


@pytest.mark.parametrize("name", ["split", "split.zip"])
def test_parts_of_a_data_set_are_no_classes(write_tree, fruit, name):
    tree = {f"{part}/{file}": data for part in ("test", "train") for file, data in fruit.items()}
    with pytest.raises(ValueError, match="parts of a data set: test, train. Give one of them as a"):
        from_directory(write_tree(tree, name))
    named_so = {f"{part}/1.png": fruit["pear/0.png"] for part in ("test", "train")}
    assert from_directory(write_tree(named_so, f"flat-{name}")).class_names == ("test", "train")


def test_thumbnails_of_file_servers_are_no_pictures(write_tree, fruit):
    more = {"pear/@eaDir/0.png/THUMB.jpg": fruit["fig/0.png"], "#recycle/9.png": b"x"}
    data = from_directory(write_tree({**fruit, **more}))
    assert data.counts.tolist() == [2, 4, 3]
