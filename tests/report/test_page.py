from html_reader import Reader

from kmeta.report.page import Markup, document, joined, picture, table, tag


def test_text_is_escaped_and_markup_is_not():
    hostile = '<b a="1">&'
    inside = tag("p", hostile, tag("em", "x"), title=hostile, class_="note")
    assert isinstance(inside, Markup)
    assert inside == (
        '<p title="&lt;b a=&quot;1&quot;&gt;&amp;" class="note">&lt;b a="1"&gt;&amp;<em>x</em></p>'
    )
    read = Reader(document(hostile, inside))
    assert read.text.count(hostile) == 2
    assert ("p", {"title": hostile, "class": "note"}) in read.elements
    assert not any(name == "b" for name, _ in read.elements)
    assert joined([1, Markup("<i>")]) == "1<i>"


def test_tables_and_pictures():
    read = Reader(table([("a", 1), ("b<", 2)], ("name", "number"), "caption"))
    assert read.text == ["caption", "name", "number", "a", "1", "b<", "2"]
    assert [a["scope"] for name, a in read.elements if name == "th"] == ["col"] * 2 + ["row"] * 2
    assert "thead" not in table([("a", 1)])
    (figure, caption, image) = Reader(picture(b"\x00\xff", "cap", "alt")).elements
    assert (figure[0], caption[0]) == ("figure", "figcaption")
    assert image == ("img", {"src": "data:image/png;base64,AP8=", "alt": "alt"})


def test_a_document_is_closed_and_fetches_nothing():
    page = document("title", tag("main"))
    read = Reader(page)
    assert page.startswith("<!doctype html>\n<html") and not read.open
    policy = [a["content"] for _, a in read.elements if "http-equiv" in a]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
