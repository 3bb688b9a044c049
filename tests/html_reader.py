"""Pages as a browser reads them."""

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Elements with their attributes, and text, as a browser sees them."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text, self.open = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in ("img", "meta"):
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name, f"</{name}> closes what is not open"

    def handle_data(self, data):
        self.text.append(data)
