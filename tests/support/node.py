"""promp-node called by hand."""

import subprocess

from .build import NODE, scaled


def run(world, *args, env=None, timeout=10, **options):
    return subprocess.run([NODE, *args], env={**world.environment, **(env or {})}, capture_output=True, text=True,
                          timeout=scaled(timeout), **options)
