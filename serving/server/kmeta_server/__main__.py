"""`python -m kmeta_server` is `kmeta-server`."""

import sys

from kmeta_server.cli import main

sys.exit(main())
