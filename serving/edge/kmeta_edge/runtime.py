"""onnxruntime, loaded when it is first needed, and without its telemetry."""

import os


def onnxruntime():
    """The module. By itself it writes a device id and a data base of events below the home folder
    when it is imported, and sends them; the environment variable stops all of it, the call only
    what comes later."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as module

    module.disable_telemetry_events()
    return module
