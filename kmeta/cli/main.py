"""The `kmeta` command."""


def main(arguments=None):
    """Run the command line `arguments`, by default those of the process; returns the exit code."""
    raise NotImplementedError
