"""A run as one page: settings, result, training curves and pictures."""

from kmeta.report.report import write_report

__all__ = ["write_report"]
