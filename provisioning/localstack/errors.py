"""Why the local stack could not be built or started: which thing, what was seen, what to try."""


class StackError(RuntimeError):
    """Anything that keeps the local stack from running; the message says what to try."""


class MissingTool(StackError):
    """A program the stack needs is absent and can't be installed from here."""


class NoSandbox(StackError):
    """The kernel gives neither user namespaces nor root's own rights to run another user."""


class NoNetwork(StackError):
    """The packages' archive could not be reached while the private root was built."""


class DiskFull(StackError):
    """The cache, the temporary folder or the data folder has no room left."""


class PortTaken(StackError):
    """Something else listens on a port that was asked for by number."""


class HostTooOld(StackError):
    """The host's own packages are too old for what was asked of them."""


class BuildFailed(StackError):
    """mmdebstrap or tar ended badly for a reason of its own."""


class DataDirInUse(StackError):
    """Another stack runs on this data folder."""


class ServerDied(StackError):
    """PostgreSQL or Mosquitto ended, or never became ready; the log's last lines are quoted."""
