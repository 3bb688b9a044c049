"""`kmeta serve`: bundles over HTTP. The server is a package of its own, `serving/server/`."""

NEEDED = (
    "kmeta serve needs the package kmeta-server, which is in the sources of kmeta: "
    "pip install ./serving/edge ./serving/server"
)


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "serve",
        help="serve bundles over HTTP",
        description="Serve bundles that `kmeta export` wrote over HTTP, by the Open Inference "
        "Protocol (V2), with onnxruntime. A bundle is served as model NAME, its other signatures "
        "as NAME.embed, NAME.adapt, NAME.classify and NAME.episode. A new version is loaded while "
        "the old one serves. SIGTERM ends the server once all requests are answered.",
    )
    try:
        from kmeta_server.cli import add_options
    except ImportError:
        _refuse(parser)
    else:
        add_options(parser)
    return parser


def _refuse(parser):
    """Let a parser, whose options are not known, say what is missing whatever it is given."""
    read = parser.parse_known_args

    def parse_known_args(args=None, namespace=None):
        if not {"-h", "--help"} & set(args or ()):
            parser.error(NEEDED)
        return read(args, namespace)

    parser.parse_known_args = parse_known_args


def run(arguments):
    """Run the command."""
    try:
        from kmeta_server import cli, server  # noqa: F401 (with all that it needs)
    except ImportError as error:
        raise ImportError(f"{NEEDED} ({error})") from error
    cli.run(arguments)
