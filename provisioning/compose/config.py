"""Ask docker-compose itself what a compose file says; no engine is needed for that.

The program is the private root's: Debian trixie's docker-compose, the one the local stack keeps.
"""

import subprocess
from pathlib import Path

from provisioning.localstack import packages, private_root, sandbox
from provisioning.localstack.progress import Say, to_stderr


def compose_config(
    file: Path, *options: str, env_file: Path | None = None, say: Say = to_stderr
) -> subprocess.CompletedProcess[str]:
    """Run `docker-compose config` on `file`, with nothing of our own environment.

    Args:
        options: Of `config`, such as `--format=json` or `--quiet`.
        env_file: Below the compose file's folder; None means its `.env`, if there is one.

    Returns:
        What docker-compose said; its exit status is not 0 when it refuses the file.

    Raises:
        StackError: docker-compose can't be had here.
    """
    tree = packages.in_tree(private_root.ensure(say))
    box = sandbox.find(tree, say)
    path = file.resolve()
    words = ["docker-compose", "-f", str(path)]
    if env_file is not None:
        words += ["--env-file", str(env_file.resolve())]
    # `nobody` of the tree: any user but root will do for reading.
    command = box.command([*words, "config", *options], user="nobody", writable=path.parent)
    return subprocess.run(command, capture_output=True, text=True, check=False)
